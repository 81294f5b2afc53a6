package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/** Checks that the element-wise kernels make before they touch any output. */
final class Operands {

  private Operands() {}

  /**
   * Checks that {@code count} is a whole number of vectors.
   *
   * @throws IllegalArgumentException when it is negative or not a multiple of {@link Species#LANES}
   */
  static void requireWholeVectors(int count) {
    if (count < 0 || count % Species.LANES != 0) {
      throw new IllegalArgumentException(
          "count: expected a multiple of " + Species.LANES + " and not negative, got " + count);
    }
  }

  /**
   * Checks that {@code count} floats from {@code offset} (bytes) on lie inside the segment.
   *
   * @throws IndexOutOfBoundsException when they don't
   */
  static void requireRange(String name, MemorySegment segment, long offset, long count) {
    long bytes = count * Float.BYTES;
    if (offset < 0 || offset > segment.byteSize() - bytes) {
      throw new IndexOutOfBoundsException(
          name
              + ": expected "
              + bytes
              + " bytes from offset "
              + offset
              + ", got a segment of "
              + segment.byteSize()
              + " bytes");
    }
  }
}
