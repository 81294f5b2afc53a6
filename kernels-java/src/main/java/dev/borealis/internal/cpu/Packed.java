package dev.borealis.internal.cpu;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * A matrix of {@code rows × columns} packed as {@code [⌈columns/V⌉][rows][V]}, V the vector length,
 * zero-padded: the layout in which both {@link Dot} (vectors along its inner dimension) and {@link
 * Outer} (vectors along the columns of the result) read their right operand as one stream.
 */
final class Packed {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /** The packed floats. */
  final MemorySegment segment;

  /** Number of rows. */
  final int rows;

  /** Number of columns. */
  final int columns;

  /** Bytes from a vector to the one below it. */
  static final long ROW = Species.LANES * 4L;

  /** Bytes from a vector to the one right of it. */
  final long panel;

  /**
   * Allocates a matrix of zeros.
   *
   * @param arena owner of the memory
   * @param rows number of rows
   * @param columns number of columns
   */
  Packed(Arena arena, int rows, int columns) {
    this.rows = rows;
    this.columns = columns;
    this.panel = rows * ROW;
    this.segment = arena.allocate(Math.max(panels() * panel, 64), 64);
  }

  /** {@return the number of vectors in a row, the last one perhaps padded} */
  long panels() {
    return Species.wholeVectors(columns) / Species.LANES;
  }

  /** {@return the byte offset of a column's vectors} */
  long panelOf(int column) {
    return (long) (column / Species.LANES) * panel;
  }

  private long at(int row, int column) {
    return panelOf(column) + row * ROW + column % Species.LANES * 4L;
  }

  /** {@return one element} */
  float get(int row, int column) {
    return segment.get(F, at(row, column));
  }

  /** Sets one element. */
  void set(int row, int column, float value) {
    segment.set(F, at(row, column), value);
  }

  /** Takes over a matrix [rows, columns]. */
  void pack(Tensor source) {
    // A training step packs its weights: F32 by vectors, other types as they come.
    int whole = TileView.isDirect(source) ? columns / Species.LANES * Species.LANES : 0;
    for (int row = 0; row < rows; row++) {
      long from = row * source.rowStride() * Float.BYTES;
      for (int column = 0; column < whole; column += Species.LANES) {
        FloatVector.fromMemorySegment(Species.F32, source.segment(), from + column * 4L, ORDER)
            .intoMemorySegment(segment, at(row, column), ORDER);
      }
      for (int column = whole; column < columns; column++) {
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
    boolean direct = TileView.isDirect(source);
    for (int column = 0; column < columns; column++) {
      float factor = gain == null ? 1 : gain.get(0, column);
      if (direct) {
        packRow(source.segment(), column * source.rowStride() * Float.BYTES, column, factor);
        continue;
      }
      for (int row = 0; row < rows; row++) {
        set(row, column, factor * source.get(column, row));
      }
    }
  }

  private void packRow(MemorySegment source, long from, int column, float factor) {
    long to = at(0, column);
    for (int row = 0; row < rows; row++) {
      segment.set(F, to + row * ROW, factor * source.get(F, from + row * 4L));
    }
  }
}
