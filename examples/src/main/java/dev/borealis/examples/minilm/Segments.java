package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;

/**
 * Row-major F32 matrices in native memory.
 *
 * <p>Row-wise code copies a row to an array, works there, and copies it back: the JIT turns simple
 * loops over arrays into vector code, and a row stays in the first-level cache meanwhile.
 */
final class Segments {
  /** A cache line, and the widest vector register. */
  private static final long ALIGNMENT = 64;

  private Segments() {}

  static MemorySegment allocate(SegmentAllocator allocator, long rows, long columns) {
    long bytes = Math.multiplyExact(Math.multiplyExact(rows, columns), Float.BYTES);
    return allocator.allocate(bytes, ALIGNMENT);
  }

  static MemorySegment copyOf(float[] values, SegmentAllocator allocator) {
    MemorySegment segment = allocate(allocator, 1, values.length);
    MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT, 0, values.length);
    return segment;
  }

  /** Copies the first {@code width} entries from column {@code column} of a row. */
  static void read(
      MemorySegment matrix, int columns, int row, int column, float[] target, int width) {
    long offset = ((long) row * columns + column) * Float.BYTES;
    MemorySegment.copy(matrix, ValueLayout.JAVA_FLOAT, offset, target, 0, width);
  }

  static void write(
      float[] source, int width, MemorySegment matrix, int columns, int row, int column) {
    long offset = ((long) row * columns + column) * Float.BYTES;
    MemorySegment.copy(source, 0, matrix, ValueLayout.JAVA_FLOAT, offset, width);
  }

  static void readRow(MemorySegment matrix, int row, float[] target) {
    read(matrix, target.length, row, 0, target, target.length);
  }

  static void writeRow(float[] source, MemorySegment matrix, int row) {
    write(source, source.length, matrix, source.length, row, 0);
  }

  /** Sets the first {@code rows} rows to zero. */
  static void clear(MemorySegment matrix, int rows, int columns) {
    matrix.asSlice(0, (long) rows * columns * Float.BYTES).fill((byte) 0);
  }
}
