package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Runs are converted as the scalar functions convert one number, to the bit. */
@Tag("widths")
class NarrowTest {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort S = ValueLayout.JAVA_SHORT_UNALIGNED;

  // Not a whole number of vectors, nor of steps.
  private static final int ALL = (1 << 16) + 3;
  // Misaligned, and not from the segment's start.
  private static final long AT = 6;

  private final Narrow narrow = new Narrow();

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void widensEveryNumber(DType type) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(AT + ALL * 4L);
      for (MemorySegment in : both(arena, ALL * 2L)) {
        for (int i = 0; i < ALL; i++) {
          in.set(S, AT + i * 2L, (short) i);
        }
        narrow.widen(type, in, AT, out, AT, ALL);
        for (int i = 0; i < ALL; i++) {
          assertSame(widened(type, (short) i), out.get(F, AT + i * 4L), i);
        }
      }
    }
  }

  /** Every number of the type, its neighbours in F32, and the ties between it and the next. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void roundsToNearestEven(DType type) {
    int dropped = type == DType.BF16 ? 16 : 13;
    int tie = 1 << (dropped - 1);
    int[] bits = {0, 1, -1, tie - 1, tie, tie + 1};
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = arena.allocate(AT + ALL * 4L);
      for (int more : bits) {
        for (int i = 0; i < ALL; i++) {
          int exact = Float.floatToRawIntBits(widened(type, (short) i));
          in.set(F, AT + i * 4L, Float.intBitsToFloat(exact + more));
        }
        for (MemorySegment out : both(arena, ALL * 2L)) {
          narrow.round(in, AT, type, out, AT, ALL);
          for (int i = 0; i < ALL; i++) {
            float value = in.get(F, AT + i * 4L);
            assertSame(
                widened(type, rounded(type, value)), widened(type, out.get(S, AT + i * 2L)), i);
          }
        }
      }
    }
  }

  @Test
  void noNanBecomesAnInfinity() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = arena.allocate(64 * 4);
      MemorySegment out = arena.allocate(64 * 2);
      for (int i = 0; i < 64; i++) {
        // Payloads in the bits that are dropped, of either sign.
        int nan = (i % 2 == 0 ? 0x7f80_0000 : 0xff80_0000) | 1 + i;
        in.set(ValueLayout.JAVA_INT, i * 4L, nan);
      }
      narrow.round(in, 0, DType.BF16, out, 0, 64);
      for (int i = 0; i < 64; i++) {
        assertEquals(Float.NaN, widened(DType.BF16, out.get(S, i * 2L)), "at " + i);
      }
    }
  }

  private static MemorySegment[] both(Arena arena, long bytes) {
    return new MemorySegment[] {
      arena.allocate(AT + bytes), MemorySegment.ofArray(new byte[Math.toIntExact(AT + bytes)])
    };
  }

  private static float widened(DType type, short bits) {
    return type == DType.BF16 ? Float.intBitsToFloat(bits << 16) : Float.float16ToFloat(bits);
  }

  private static short rounded(DType type, float value) {
    return type == DType.BF16 ? DType.floatToBFloat16(value) : Float.floatToFloat16(value);
  }

  private static void assertSame(float expected, float got, int at) {
    // floatToIntBits tells -0 from 0 and takes all NaN for one.
    if (Float.floatToIntBits(expected) != Float.floatToIntBits(got)) {
      assertEquals(expected, got, "at " + at);
    }
  }
}
