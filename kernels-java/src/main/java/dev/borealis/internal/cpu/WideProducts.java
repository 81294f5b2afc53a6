package dev.borealis.internal.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * The products of an adapter whose rank is large, where arithmetic, not memory, is the bound: all
 * are {@link Gemm}s. A and B are packed for each of the two products that each of them has part in.
 *
 * <p>Gradients are sums over many tokens: their operands Ud and dZ are kept as rows of tokens in
 * {@link Panels}, and a panel of columns of dY or X is copied together first, because rows in
 * memory lie so that a column of them would fall into few sets of the caches.
 */
final class WideProducts {
  /** The smallest rank that is large. */
  static final int MIN_RANK = 64;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final long V = Species.LANES * 4L;

  /** Columns of dY or X that are copied together: rows in memory are read in pieces of a KiB. */
  static final int GROUP = 4 * Panels.WIDTH;

  /** Tokens that are copied together: the copy stays in L2. */
  static final int TOKENS = 256;

  /** Floats of such a copy. */
  static final long COPY_FLOATS = (long) TOKENS * GROUP;

  /** Aᵀ [d_in, r_a], for Z. */
  private final Panels down;

  /** A [r_a, d_in], for dX. */
  private final Panels downBack;

  /** Bᵀ [r, d_out] with the gain, for Y. */
  private final Panels up;

  /** B [d_out, r] with the gain, for dU. */
  private final Panels upBack;

  WideProducts(Arena arena, int rank, int downRank, int inFeatures, int outFeatures) {
    this.down = new Panels(arena, inFeatures, downRank);
    this.downBack = new Panels(arena, downRank, inFeatures);
    this.up = new Panels(arena, rank, outFeatures);
    this.upBack = new Panels(arena, outFeatures, rank);
  }

  /**
   * Takes over the weights.
   *
   * @param a A
   * @param b Bᵀ with the gain
   */
  void pack(Packed a, Packed b) {
    copy(a, downBack, down);
    copy(b, up, upBack);
  }

  private static void copy(Packed from, Panels same, Panels transposed) {
    for (int row = 0; row < from.rows; row++) {
      for (int column = 0; column < from.columns; column += Species.LANES) {
        int panel = column / Panels.WIDTH * Panels.WIDTH;
        long source = from.panelOf(column) + row * Packed.ROW;
        FloatVector.fromMemorySegment(Species.F32, from.segment, source, ORDER)
            .intoMemorySegment(same.segment, same.at(row, panel) + (column - panel) * 4L, ORDER);
      }
    }
    for (int column = 0; column < from.columns; column++) {
      long lane = from.panelOf(column) + column % Species.LANES * 4L;
      for (int panel = 0; panel < from.rows; panel += Panels.WIDTH) {
        long to = transposed.at(column, panel);
        int width = Math.min(Panels.WIDTH, from.rows - panel);
        for (int j = 0; j < width; j++) {
          float value = from.segment.get(F, lane + (panel + j) * Packed.ROW);
          transposed.segment.set(F, to + j * 4L, value);
        }
      }
    }
  }

  /** {@code Z = X Aᵀ} for the tokens of a block. */
  void down(TileView x, int tokens, MemorySegment z, long z0, ThreadScratch own) {
    toBlock(x, tokens, down, z, z0, own);
  }

  /** {@code dU = dY B} for the tokens of a block. */
  void upBack(TileView dY, int tokens, MemorySegment du, long du0, ThreadScratch own) {
    toBlock(dY, tokens, upBack, du, du0, own);
  }

  private static void toBlock(
      TileView in, int tokens, Panels m, MemorySegment block, long b0, ThreadScratch own) {
    int rank = m.columns;
    MemorySegment rows = own.get(ThreadScratch.Slot.GEMM_ROWS, (long) tokens * rank);
    Gemm.run(
        in.segment,
        in.offset,
        in.stride,
        4,
        m,
        0,
        rank,
        rows,
        0,
        rank * 4L,
        tokens,
        false,
        own.get(ThreadScratch.Slot.GEMM, Gemm.SCRATCH_FLOATS));
    Block.clearTail(block, b0, rank, tokens);
    for (int i = 0; i < tokens; i++) {
      toColumn(rows, (long) i * rank * 4, rank, block, b0 + i * 4L);
    }
  }

  // A method of its own, with distances that C2 knows: it then checks once, not for every element.
  private static void toColumn(MemorySegment row, long r0, int rank, MemorySegment block, long b0) {
    row = Native.exact(row);
    block = Native.exact(block);
    for (int j = 0; j < rank; j++) {
      block.set(F, b0 + j * Block.ROW, row.get(F, r0 + j * 4L));
    }
  }

  /** {@code Y (+)= Ud Bᵀ} for the tokens of a block. */
  void up(MemorySegment u, long u0, TileView y, int tokens, boolean add, ThreadScratch own) {
    fromBlock(u, u0, up, y, tokens, add, own);
  }

  /** {@code dX (+)= dZ A} for the tokens of a block. */
  void downBack(
      MemorySegment dz, long z0, TileView dX, int tokens, boolean add, ThreadScratch own) {
    fromBlock(dz, z0, downBack, dX, tokens, add, own);
  }

  private static void fromBlock(
      MemorySegment block,
      long b0,
      Panels m,
      TileView out,
      int tokens,
      boolean add,
      ThreadScratch own) {
    Gemm.run(
        block,
        b0,
        4,
        Block.ROW,
        m,
        0,
        m.columns,
        out.segment,
        out.offset,
        out.stride,
        tokens,
        add,
        own.get(ThreadScratch.Slot.GEMM, Gemm.SCRATCH_FLOATS));
  }

  /** Writes a block's tokens as rows, from {@code row} on. */
  static void keepRows(MemorySegment block, long b0, int tokens, Panels rows, int row) {
    for (int panel = 0; panel < rows.columns; panel += Panels.WIDTH) {
      int width = Math.min(Panels.WIDTH, rows.columns - panel);
      for (int i = 0; i < tokens; i++) {
        toRow(block, b0 + panel * Block.ROW + i * 4L, width, rows.segment, rows.at(row + i, panel));
      }
    }
  }

  private static void toRow(MemorySegment block, long b0, int width, MemorySegment row, long r0) {
    block = Native.exact(block);
    row = Native.exact(row);
    for (int j = 0; j < width; j++) {
      row.set(F, r0 + j * 4L, block.get(F, b0 + j * Block.ROW));
    }
  }

  /** Bytes between two rows of a copied panel with some columns. */
  static long copiedRow(int columns) {
    return Block.width(columns) * 4L;
  }

  /** Copies columns of some tokens into panels, padded with zeros to whole vectors. */
  static void copy(TileView in, int tokens, int columns, MemorySegment to) {
    int full = columns / Panels.WIDTH * Panels.WIDTH;
    long row = copiedRow(Panels.WIDTH);
    for (int i = 0; i < tokens; i++) {
      long from = in.offset + i * in.stride;
      for (int n = 0; n < full; n += Panels.WIDTH) {
        copyPanelRow(in.segment, from + n * 4L, to, panelAt(tokens, n) + i * row);
      }
      if (full < columns) {
        long at = panelAt(tokens, full) + i * copiedRow(columns - full);
        int width = Block.width(columns - full);
        // Two loops: with a choice in one, C2 checks the reads of all columns beforehand, fails,
        // and compiles again and again.
        Block.clear(to, at, width);
        for (int n = full; n < columns; n++) {
          to.set(F, at + (n - full) * 4L, in.segment.get(F, from + n * 4L));
        }
      }
    }
  }

  /** Where a copied panel starts. */
  static long panelAt(int tokens, int column) {
    return 4L * tokens * column;
  }

  // A loop over four vectors would cost more than what is in it.
  private static void copyPanelRow(MemorySegment from, long f, MemorySegment to, long t) {
    from = Native.exact(from);
    to = Native.exact(to);
    if (Tiles.GEMM_VECTORS == 4) {
      FloatVector a = FloatVector.fromMemorySegment(Species.F32, from, f, ORDER);
      FloatVector b = FloatVector.fromMemorySegment(Species.F32, from, f + V, ORDER);
      FloatVector c = FloatVector.fromMemorySegment(Species.F32, from, f + 2 * V, ORDER);
      FloatVector d = FloatVector.fromMemorySegment(Species.F32, from, f + 3 * V, ORDER);
      a.intoMemorySegment(to, t, ORDER);
      b.intoMemorySegment(to, t + V, ORDER);
      c.intoMemorySegment(to, t + 2 * V, ORDER);
      d.intoMemorySegment(to, t + 3 * V, ORDER);
      return;
    }
    for (long n = 0; n < Panels.WIDTH * 4L; n += V) {
      FloatVector.fromMemorySegment(Species.F32, from, f + n, ORDER)
          .intoMemorySegment(to, t + n, ORDER);
    }
  }

  /**
   * {@code T[n][j] (+)= Σ_i in[i][n] · rows[row + i][j]}: sums of dB, rows of T as long as whole
   * vectors of the rank need.
   *
   * @param in copied panel, from {@code in0} on
   * @param columns its columns
   */
  static void addTokensByRank(
      MemorySegment in,
      long in0,
      int columns,
      Panels rows,
      int row,
      int tokens,
      MemorySegment t,
      long t0,
      boolean add,
      ThreadScratch own) {
    long stride = copiedRow(rows.columns);
    for (int panel = 0; panel < rows.columns; panel += Panels.WIDTH) {
      sum(
          in,
          in0,
          copiedRow(columns),
          rows.segment,
          rows.at(row, panel),
          rows.vectors(panel),
          t,
          t0 + panel * 4L,
          stride,
          columns,
          tokens,
          add,
          own);
    }
  }

  /** {@code T[j][n] (+)= Σ_i rows[row + i][j] · in[i][n]}: sums of dA. */
  static void addRankByTokens(
      MemorySegment in,
      long in0,
      int columns,
      Panels rows,
      int row,
      int tokens,
      MemorySegment t,
      long t0,
      boolean add,
      ThreadScratch own) {
    long stride = copiedRow(columns);
    for (int panel = 0; panel < rows.columns; panel += Panels.WIDTH) {
      sum(
          rows.segment,
          rows.at(row, panel),
          rows.rowBytes(panel),
          in,
          in0,
          Block.width(columns) / Species.LANES,
          t,
          t0 + panel * stride,
          stride,
          Math.min(Panels.WIDTH, rows.columns - panel),
          tokens,
          add,
          own);
    }
  }

  /** {@code T[m][v] (+)= Σ_k L[k][m] · P[k][v]}. */
  private static void sum(
      MemorySegment l,
      long l0,
      long lk,
      MemorySegment p,
      long p0,
      int vectors,
      MemorySegment t,
      long t0,
      long tm,
      int rows,
      int depth,
      boolean add,
      ThreadScratch own) {
    if (!add) {
      Gemm.panel(l, l0, 4, lk, p, p0, vectors, t, t0, tm, rows, depth);
      return;
    }
    MemorySegment part = own.get(ThreadScratch.Slot.GEMM, Gemm.SCRATCH_FLOATS);
    int columns = vectors * Species.LANES;
    Gemm.panel(l, l0, 4, lk, p, p0, vectors, part, 0, columns * 4L, rows, depth);
    Gemm.add(part, columns * 4L, t, t0, tm, rows, columns);
  }
}
