package dev.borealis.testing;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A tensor inside a larger piece of memory. What lies before and behind it and between its rows is
 * NaN, and must neither be read nor written; a snapshot tells what has changed.
 */
public final class GuardedTensor {
  /** Where the memory is. */
  public enum Place {
    /** Native, as aligned as {@link Tensor#allocate} would. */
    NATIVE,
    /** Native, on an odd address. */
    MISALIGNED,
    /** A file in memory, which is native memory of another kind. */
    MAPPED,
    /** An array of the elements' own kind. */
    ARRAY,
    /** An array of bytes, off alignment. */
    BYTES
  }

  private static final byte GUARD = (byte) 0xff;
  private static final int GUARD_BYTES = 64;

  private final Tensor tensor;
  private final MemorySegment whole;
  private final long start;
  private byte[] before;

  private GuardedTensor(Tensor tensor, MemorySegment whole, long start) {
    this.tensor = tensor;
    this.whole = whole;
    this.start = start;
    this.before = bytes();
  }

  /**
   * Makes a tensor whose elements are NaN.
   *
   * @param place kind of memory
   * @param arena owner of native memory
   * @param dtype element type
   * @param gap elements between two rows; only for matrices
   * @param shape as for {@link Tensor#of}
   */
  public static GuardedTensor of(Place place, Arena arena, DType dtype, long gap, long... shape) {
    long columns = shape[shape.length - 1];
    long rows = Arrays.stream(shape).limit(shape.length - 1).reduce(1, (a, b) -> a * b);
    long stride = columns + gap;
    long elements = rows == 0 || columns == 0 ? 0 : (rows - 1) * stride + columns;
    long size = elements * dtype.byteSize() + 2 * GUARD_BYTES;
    MemorySegment whole =
        switch (place) {
          case NATIVE, MISALIGNED -> arena.allocate(size, 64);
          case MAPPED -> mapped(size, arena);
          case ARRAY ->
              dtype == DType.F32
                  ? MemorySegment.ofArray(new float[(int) (size / 4)])
                  : MemorySegment.ofArray(new short[(int) (size / 2)]);
          case BYTES -> MemorySegment.ofArray(new byte[(int) size]);
        };
    whole.fill(GUARD);
    long start = place == Place.MISALIGNED || place == Place.BYTES ? GUARD_BYTES - 3L : GUARD_BYTES;
    MemorySegment exact = whole.asSlice(start, elements * dtype.byteSize());
    Tensor tensor =
        gap == 0
            ? Tensor.of(exact, dtype, shape)
            : Tensor.strided(exact, dtype, rows, columns, stride);
    return new GuardedTensor(tensor, whole, start);
  }

  private static MemorySegment mapped(long size, Arena arena) {
    try {
      Path file = Files.createTempFile("tensor", ".bin");
      try (FileChannel channel =
          FileChannel.open(file, READ, WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
        return channel.map(FileChannel.MapMode.READ_WRITE, 0, size, arena);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the tensor. */
  public Tensor tensor() {
    return tensor;
  }

  /**
   * Sets every element to a random number in ±bound, and takes a snapshot.
   *
   * @param random source of numbers
   * @param bound largest magnitude
   */
  public GuardedTensor randomise(SplittableRandom random, double bound) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextDouble(-bound, bound));
      }
    }
    return snapshot();
  }

  /** Remembers the memory as it is. */
  public GuardedTensor snapshot() {
    before = bytes();
    return this;
  }

  /** Tells whether the memory is as it was at the snapshot, elements included. */
  public boolean isUnchanged() {
    return Arrays.equals(before, bytes());
  }

  /** Tells whether nothing but elements has changed since the snapshot. */
  public boolean isUnchangedAround() {
    byte[] now = bytes();
    int size = tensor.dtype().byteSize();
    for (long row = 0; row < tensor.rows(); row++) {
      int at = (int) (start + row * tensor.rowStride() * size);
      System.arraycopy(before, at, now, at, (int) tensor.columns() * size);
    }
    return Arrays.equals(before, now);
  }

  private byte[] bytes() {
    return whole.toArray(ValueLayout.JAVA_BYTE);
  }

  @Override
  public String toString() {
    return tensor + (whole.isNative() ? " native" : " heap");
  }
}
