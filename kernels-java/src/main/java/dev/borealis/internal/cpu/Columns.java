package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * {@link Outer} products between a {@link Block} and rows of a matrix of any width: whole vectors
 * in place, the columns beyond them through a padded buffer, so that nothing outside a tensor is
 * read or written.
 */
final class Columns {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private Columns() {}

  /** {@code out[j][i] = Σ_k in[i][k] · m[j][k]} for the tokens of a block; zero behind them. */
  static void down(
      TileView in, Packed m, int tokens, MemorySegment out, long out0, ThreadScratch own) {
    Block.clearTail(out, out0, m.rows, tokens);
    Dot.run(
        in.segment,
        in.offset,
        in.stride,
        m.segment,
        0,
        m.panel,
        tokens,
        m.rows,
        m.columns,
        out,
        out0,
        4,
        Block.ROW,
        false,
        own.get(ThreadScratch.Slot.DOT, Dot.SCRATCH_FLOATS));
  }

  /**
   * {@code out[i][n] (+)= Σ_k block[k][i] · m[k][column + n]}: tokens become rows.
   *
   * @param block block of {@code depth} rows
   * @param m packed matrix of {@code depth} rows
   * @param column first column of m, a multiple of the vector length
   * @param columns number of columns
   * @param out where the first column goes
   */
  static void product(
      MemorySegment block,
      long b0,
      Packed m,
      int column,
      int columns,
      int depth,
      TileView out,
      int tokens,
      boolean add,
      ThreadScratch scratch) {
    multiply(block, b0, 4, Block.ROW, m, column, columns, 0, depth, out, tokens, add, scratch);
  }

  /**
   * {@code out[i][n] (+)= Σ_k l[i][k] · m[k][column + n]} with any strides of l.
   *
   * @param lm bytes between two rows of l
   * @param lk bytes between two columns of l
   * @param k0 first row of m
   * @param depth number of rows of m
   */
  static void multiply(
      MemorySegment l,
      long l0,
      long lm,
      long lk,
      Packed m,
      int column,
      int columns,
      int k0,
      int depth,
      TileView out,
      int rows,
      boolean add,
      ThreadScratch scratch) {
    int vectors = columns / Species.LANES;
    int whole = vectors * Species.LANES;
    long p0 = m.panelOf(column) + k0 * Packed.ROW;
    Outer.run(
        l,
        l0,
        lm,
        lk,
        m.segment,
        p0,
        Packed.ROW,
        m.panel,
        out.segment,
        out.offset,
        out.stride,
        rows,
        vectors,
        depth,
        add);
    if (whole == columns) {
      return;
    }
    MemorySegment tail = scratch.get(ThreadScratch.Slot.TAIL_OUTPUT, (long) rows * Species.LANES);
    long t0 = out.offset + whole * 4L;
    if (add) {
      copyRows(out.segment, t0, out.stride, tail, 0, Packed.ROW, rows, columns - whole);
    }
    Outer.run(
        l,
        l0,
        lm,
        lk,
        m.segment,
        p0 + vectors * m.panel,
        Packed.ROW,
        m.panel,
        tail,
        0,
        Packed.ROW,
        rows,
        1,
        depth,
        add);
    copyRows(tail, 0, Packed.ROW, out.segment, t0, out.stride, rows, columns - whole);
  }

  private static void copyRows(
      MemorySegment from,
      long from0,
      long fromStride,
      MemorySegment to,
      long to0,
      long toStride,
      int rows,
      int columns) {
    from = Native.exact(from);
    to = Native.exact(to);
    for (int i = 0; i < rows; i++) {
      for (int k = 0; k < columns; k++) {
        to.set(F, to0 + i * toStride + k * 4L, from.get(F, from0 + i * fromStride + k * 4L));
      }
    }
  }

  /**
   * {@code sums[j][n] (+)= Σ_i block[j][i] · in[i][n]}: the gradient of a projection.
   *
   * @param block block of {@code rank} rows
   * @param in rows of the tokens, its first column is n = 0
   * @param columns number of n
   * @param sums rows {@code stride} bytes apart, the first at {@code s0}
   */
  static void addGradient(
      MemorySegment block,
      long b0,
      int rank,
      TileView in,
      int tokens,
      int columns,
      MemorySegment sums,
      long s0,
      long stride,
      boolean add,
      ThreadScratch scratch) {
    int vectors = columns / Species.LANES;
    int whole = vectors * Species.LANES;
    Outer.run(
        block,
        b0,
        Block.ROW,
        4,
        in.segment,
        in.offset,
        in.stride,
        Packed.ROW,
        sums,
        s0,
        stride,
        rank,
        vectors,
        tokens,
        add);
    if (whole == columns) {
      return;
    }
    MemorySegment tail = tail(in, tokens, whole, columns - whole, scratch);
    MemorySegment out = scratch.get(ThreadScratch.Slot.TAIL_OUTPUT, (long) rank * Species.LANES);
    long s1 = s0 + whole * 4L;
    if (add) {
      copyRows(sums, s1, stride, out, 0, Packed.ROW, rank, columns - whole);
    }
    Outer.run(
        block,
        b0,
        Block.ROW,
        4,
        tail,
        0,
        Packed.ROW,
        Packed.ROW,
        out,
        0,
        Packed.ROW,
        rank,
        1,
        tokens,
        add);
    copyRows(out, 0, Packed.ROW, sums, s1, stride, rank, columns - whole);
  }

  /** {@return some columns of rows, fewer than a vector, each row padded with zeros to a vector} */
  static MemorySegment tail(
      TileView in, int tokens, int column, int columns, ThreadScratch scratch) {
    MemorySegment tail = scratch.get(ThreadScratch.Slot.TAIL_INPUT, (long) tokens * Species.LANES);
    for (int i = 0; i < tokens; i++) {
      Block.clear(tail, i * Packed.ROW, Species.LANES);
    }
    long from = in.offset + column * 4L;
    copyRows(in.segment, from, in.stride, tail, 0, Packed.ROW, tokens, columns);
    return tail;
  }

  /** {@code sums[n] += Σ_i in[i][n]}, in the order of the tokens. */
  static void addSums(TileView in, int tokens, int columns, MemorySegment sums, long s0) {
    MemorySegment rows = Native.exact(in.segment);
    sums = Native.exact(sums);
    int n = 0;
    for (; n <= columns - Species.LANES; n += Species.LANES) {
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, sums, s0 + n * 4L, ORDER);
      for (int i = 0; i < tokens; i++) {
        sum =
            sum.add(
                FloatVector.fromMemorySegment(
                    Species.F32, rows, in.offset + i * in.stride + n * 4L, ORDER));
      }
      sum.intoMemorySegment(sums, s0 + n * 4L, ORDER);
    }
    for (; n < columns; n++) {
      float sum = sums.get(F, s0 + n * 4L);
      for (int i = 0; i < tokens; i++) {
        sum += rows.get(F, in.offset + i * in.stride + n * 4L);
      }
      sums.set(F, s0 + n * 4L, sum);
    }
  }

  /** {@code out[i][n] += row[n]}. */
  static void addToRows(MemorySegment row, long r0, TileView out, int rows, int columns) {
    row = Native.exact(row);
    MemorySegment y = Native.exact(out.segment);
    for (int i = 0; i < rows; i++) {
      long at = out.offset + i * out.stride;
      int n = 0;
      for (; n <= columns - Species.LANES; n += Species.LANES) {
        FloatVector.fromMemorySegment(Species.F32, y, at + n * 4L, ORDER)
            .add(FloatVector.fromMemorySegment(Species.F32, row, r0 + n * 4L, ORDER))
            .intoMemorySegment(y, at + n * 4L, ORDER);
      }
      for (; n < columns; n++) {
        y.set(F, at + n * 4L, y.get(F, at + n * 4L) + row.get(F, r0 + n * 4L));
      }
    }
  }

  /** Sets a group of columns of some rows to zero, to whole vectors. */
  static void clear(MemorySegment sums, int rows, long stride, int column, int columns) {
    for (int j = 0; j < rows; j++) {
      Block.clear(sums, (j * stride + column) * 4, columns);
    }
  }
}
