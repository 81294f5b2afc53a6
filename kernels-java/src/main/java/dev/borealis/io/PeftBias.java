package dev.borealis.io;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * lora_B.bias: PEFT's is inside of the scale, {@code s·(B u + bias)}, ours outside, {@code s·B u +
 * b}, so that {@code b = s·bias}.
 */
final class PeftBias {
  private static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private PeftBias() {}

  /**
   * Reads PEFT's bias and gives ours: F32 unless the scale is 1 and the stored type is narrower.
   *
   * @param stored F64, F32, F16 or BF16; one dimension
   * @param scale s
   * @param arena owner of the result
   */
  static Tensor read(SafeTensors.Entry stored, float scale, Arena arena) {
    long size = stored.shape()[0];
    DType type = stored.type().dtype().orElse(DType.F32);
    Tensor bias = Tensor.allocate(arena, scale == 1 ? type : DType.F32, size);
    boolean wide = stored.type() == StoredType.F64;
    Tensor narrow = wide ? bias : Tensor.of(stored.data(), type, size);
    for (long i = 0; i < size; i++) {
      double value = wide ? stored.data().get(F64, i * Double.BYTES) : narrow.get(0, i);
      bias.set(0, i, (float) (scale * value));
    }
    return bias;
  }

  /**
   * Writes our bias as PEFT's. Where bias/s in F32 doesn't give the same bits back, it is written
   * as F64, which does, and which PEFT converts as it loads.
   *
   * @throws IllegalArgumentException if the scale is 0 and the bias isn't
   */
  static void add(SafeTensorsWriter writer, String name, Tensor bias, float scale) {
    if (scale == 1) {
      writer.add(name, bias);
      return;
    }
    int size = Math.toIntExact(bias.columns());
    float[] single = new float[size];
    double[] exact = new double[size];
    boolean lossless = true;
    for (int i = 0; i < size; i++) {
      float value = bias.get(0, i);
      if (scale == 0 && value != 0) {
        throw new IllegalArgumentException(
            name + ": expected zeros, as PEFT multiplies them by the scale 0, came " + value);
      }
      exact[i] = scale == 0 ? value : (double) value / scale;
      single[i] = (float) exact[i];
      float back = (float) ((double) scale * single[i]);
      lossless &= scale == 0 || Float.compare(back, value) == 0;
    }
    if (lossless) {
      writer.add(name, Tensor.of(single, size));
      return;
    }
    MemorySegment data = MemorySegment.ofArray(new byte[Math.multiplyExact(size, Double.BYTES)]);
    for (int i = 0; i < size; i++) {
      data.set(F64, (long) i * Double.BYTES, exact[i]);
    }
    writer.add(name, SafeTensors.Entry.of(StoredType.F64, data, size));
  }
}
