package dev.borealis.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * A tensor in memory as awkward as is legal: native or heap, off alignment by an element or a byte,
 * rows apart. Its memory begins as NaN everywhere, gaps and margins included: who reads or writes
 * what is not an element shows.
 */
final class TestTensor {
  private static final byte NAN_BYTE = (byte) 0xff;
  private static final int MARGIN_ELEMENTS = 5;
  private static final int[] EXTRA_STRIDE = {0, 0, 1, 3, 16};

  final Tensor tensor;
  private final MemorySegment whole;
  private final long start;

  private TestTensor(Tensor tensor, MemorySegment whole, long start) {
    this.tensor = tensor;
    this.whole = whole;
    this.start = start;
  }

  /** Makes a tensor of NaN; only matrices get a row stride. */
  static TestTensor allocate(SplittableRandom random, Arena arena, DType dtype, long... shape) {
    long columns = shape[shape.length - 1];
    long rows = 1;
    for (int i = 0; i < shape.length - 1; i++) {
      rows *= shape[i];
    }
    boolean matrix = shape.length == 2;
    long stride = columns + (matrix ? EXTRA_STRIDE[random.nextInt(EXTRA_STRIDE.length)] : 0);
    long elements = (rows == 0 ? 0 : (rows - 1) * stride + columns) + 2 * MARGIN_ELEMENTS;
    int size = dtype.byteSize();
    MemorySegment whole;
    long start;
    switch (random.nextInt(5)) {
      case 0 -> {
        whole = arena.allocate(elements * size, 64);
        start = 0;
      }
      case 1 -> {
        whole = arena.allocate(elements * size, 64);
        start = size;
      }
      case 2 -> {
        whole = arena.allocate(elements * size, 64);
        start = 1;
      }
      case 3 -> {
        whole =
            dtype == DType.F32
                ? MemorySegment.ofArray(new float[(int) elements])
                : MemorySegment.ofArray(new short[(int) elements]);
        start = (long) random.nextInt(4) * size;
      }
      default -> {
        whole = MemorySegment.ofArray(new byte[(int) elements * size]);
        start = random.nextInt(8);
      }
    }
    whole.fill(NAN_BYTE);
    MemorySegment memory = whole.asSlice(start);
    Tensor tensor =
        matrix
            ? Tensor.strided(memory, dtype, rows, columns, stride)
            : Tensor.of(memory, dtype, shape);
    return new TestTensor(tensor, whole, start);
  }

  /** Sets every element to a random number in ±bound, rounded to the type. */
  TestTensor randomise(SplittableRandom random, double bound) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextDouble(-bound, bound));
      }
    }
    return this;
  }

  /** Returns the elements, dense. */
  double[] values() {
    return values(tensor);
  }

  /** Returns a tensor's elements, dense. */
  static double[] values(Tensor tensor) {
    int columns = (int) tensor.columns();
    double[] values = new double[(int) tensor.rows() * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / columns, i % columns);
    }
    return values;
  }

  /** Fails if anything but the elements has been written to. */
  void requireMarginsUntouched(String name) {
    byte[] bytes = new byte[(int) whole.byteSize()];
    MemorySegment copy = MemorySegment.ofArray(bytes).copyFrom(whole);
    int size = tensor.dtype().byteSize();
    for (long row = 0; row < tensor.rows(); row++) {
      long at = start + row * tensor.rowStride() * size;
      copy.asSlice(at, tensor.columns() * size).fill(NAN_BYTE);
    }
    int first = 0;
    while (first < bytes.length && bytes[first] == NAN_BYTE) {
      first++;
    }
    assertEquals(bytes.length, first, name + ": first byte written to outside of the elements");
  }

  @Override
  public String toString() {
    return tensor + (whole.isNative() ? " native+" : " heap+") + start;
  }
}
