package dev.borealis.internal.cpu;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * A matrix of {@code rows × columns} packed for {@link Gemm}: panels of {@link #WIDTH} columns, in
 * each the rows one after the other, so that a tile reads its right operand as one stream. The last
 * panel is as wide as whole vectors need, zero-padded.
 */
final class Panels {
  /** Columns of a panel. */
  static final int WIDTH = Tiles.GEMM_VECTORS * Species.LANES;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  /** The packed floats. */
  final MemorySegment segment;

  /** Number of rows. */
  final int rows;

  /** Number of columns. */
  final int columns;

  /**
   * Allocates a matrix of zeros.
   *
   * @param arena owner of the memory
   * @param rows number of rows
   * @param columns number of columns
   */
  Panels(Arena arena, int rows, int columns) {
    this.rows = rows;
    this.columns = columns;
    this.segment = arena.allocate(Math.max(4L * rows * Species.wholeVectors(columns), 64), 64);
  }

  /** {@return how many vectors wide the panel is that starts at a column} */
  int vectors(int column) {
    return (int) Math.min(Species.wholeVectors(columns - column), WIDTH) / Species.LANES;
  }

  /** {@return the bytes from one row to the next in the panel that starts at a column} */
  long rowBytes(int column) {
    return vectors(column) * (long) Species.LANES * 4;
  }

  /** {@return the byte offset of a row in the panel that starts at a column} */
  long at(int row, int column) {
    return 4L * rows * column + row * rowBytes(column);
  }

  private long element(int row, int column) {
    int panel = column / WIDTH * WIDTH;
    return at(row, panel) + (column - panel) * 4L;
  }

  /** {@return one element} */
  float get(int row, int column) {
    return segment.get(F, element(row, column));
  }

  /** Sets one element. */
  void set(int row, int column, float value) {
    segment.set(F, element(row, column), value);
  }

  /** Takes over a matrix [rows, columns]. */
  void pack(Tensor source) {
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        set(row, column, source.get(row, column));
      }
    }
  }

  /**
   * Takes over the transpose of a matrix [columns, rows].
   *
   * @param source the matrix
   * @param gain [columns] factors of the source's rows, or null
   */
  void packTransposed(Tensor source, @Nullable Tensor gain) {
    for (int column = 0; column < columns; column++) {
      float factor = gain == null ? 1 : gain.get(0, column);
      for (int row = 0; row < rows; row++) {
        set(row, column, factor * source.get(column, row));
      }
    }
  }
}
