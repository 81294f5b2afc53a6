package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.S2I;

import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Converts runs of BF16 and F16 numbers to F32 and back, rounding to nearest even. BF16 by integer
 * vectors. F16 by {@link Float#float16ToFloat} over arrays, which C2 turns into the machine's own
 * conversions; it doesn't over segments, which might overlap, and the Vector API has none.
 */
final class Narrow {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort S = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ByteOrder O = ByteOrder.nativeOrder();
  private static final VectorSpecies<Integer> WIDE = Species.I32;
  private static final VectorSpecies<Short> HALF =
      VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));

  // Floats of a step: both arrays stay in L1.
  private static final int STEP = 1024;

  private final short[] shorts = new short[STEP];
  private final float[] floats = new float[STEP];

  /** Converts 16-bit numbers to F32, offsets in bytes. */
  void widen(DType type, MemorySegment from, long from0, MemorySegment to, long to0, int count) {
    if (type == DType.F16) {
      for (int i = 0; i < count; i += STEP) {
        int step = Math.min(STEP, count - i);
        MemorySegment.copy(from, S, from0 + i * 2L, shorts, 0, step);
        widenF16(shorts, floats, step);
        MemorySegment.copy(floats, 0, to, F, to0 + i * 4L, step);
      }
      return;
    }
    int i = Native.is(from) ? widenVectors(from, from0, to, to0, count) : 0;
    for (; i < count; i++) {
      float value = Float.intBitsToFloat(from.get(S, from0 + i * 2L) << 16);
      to.set(F, to0 + i * 4L, value);
    }
  }

  /** Converts F32 to 16-bit numbers, offsets in bytes. */
  void round(MemorySegment from, long from0, DType type, MemorySegment to, long to0, int count) {
    if (type == DType.F16) {
      for (int i = 0; i < count; i += STEP) {
        int step = Math.min(STEP, count - i);
        MemorySegment.copy(from, F, from0 + i * 4L, floats, 0, step);
        roundF16(floats, shorts, step);
        MemorySegment.copy(shorts, 0, to, S, to0 + i * 2L, step);
      }
      return;
    }
    int i = Native.is(to) ? roundVectors(from, from0, to, to0, count) : 0;
    for (; i < count; i++) {
      float value = from.get(F, from0 + i * 4L);
      to.set(S, to0 + i * 2L, DType.floatToBFloat16(value));
    }
  }

  private static void widenF16(short[] from, float[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] = Float.float16ToFloat(from[i]);
    }
  }

  private static void roundF16(float[] from, short[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] = Float.floatToFloat16(from[i]);
    }
  }

  /** {@return how many were converted: whole vectors} */
  private static int widenVectors(
      MemorySegment from, long from0, MemorySegment to, long to0, int count) {
    from = Native.exact(from);
    to = Native.exact(to);
    int i = 0;
    for (; i <= count - Species.LANES; i += Species.LANES) {
      ShortVector bits = ShortVector.fromMemorySegment(HALF, from, from0 + i * 2L, O);
      IntVector wide = (IntVector) bits.convertShape(S2I, WIDE, 0);
      wide.lanewise(LSHL, 16).intoMemorySegment(to, to0 + i * 4L, O);
    }
    return i;
  }

  /** {@return how many were converted: whole vectors} */
  private static int roundVectors(
      MemorySegment from, long from0, MemorySegment to, long to0, int count) {
    from = Native.exact(from);
    to = Native.exact(to);
    int i = 0;
    for (; i <= count - Species.LANES; i += Species.LANES) {
      IntVector bits = IntVector.fromMemorySegment(WIDE, from, from0 + i * 4L, O);
      IntVector odd = bits.lanewise(LSHR, 16).and(1);
      IntVector rounded = bits.add(odd).add(0x7fff);
      // A NaN's payload could be carried away, leaving an infinity: its quiet bit is set instead.
      IntVector magnitude = bits.and(0x7fff_ffff);
      rounded = rounded.blend(bits.or(0x0040_0000), magnitude.compare(GT, 0x7f80_0000));
      ShortVector half = (ShortVector) rounded.lanewise(LSHR, 16).convertShape(I2S, HALF, 0);
      half.intoMemorySegment(to, to0 + i * 2L, O);
    }
    return i;
  }
}
