package dev.borealis.internal.cpu;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * The gradient of B, summed over few tokens where it lies: {@code dB[n][j] (+)= s · Σ_t dY[t][n] ·
 * Ud[j][t]}. B's rows are as short as the rank: where that is small {@link RankTile} puts several
 * of them into one vector. For many tokens sums in rows of d_out and one transposition cost less.
 */
final class RankGradient {
  /** Up to here this is the faster way (measured). */
  static final int MAX_TOKENS = 16;

  /** Up to here rows of B are shorter than a vector, or hardly longer. */
  private static final int MAX_SPREAD_RANK = 16;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final ValueLayout.OfInt I = ValueLayout.JAVA_INT_UNALIGNED;
  private static final long V = Packed.ROW;
  private static final int PIECE = RankTile.VECTORS * Species.LANES;

  private final int rank;
  // After so many vectors the row begins with a vector again.
  private final int period;
  // For each float of the C of one vector of dY, in which lane of it its n is.
  private final MemorySegment lanes;

  RankGradient(Arena arena, int rank) {
    this.rank = rank;
    // By the greatest common divisor: the lanes are a power of two.
    this.period = rank / Math.min(Integer.lowestOneBit(rank), Species.LANES);
    this.lanes = Scalars.allocate(arena, (long) rank * Species.LANES);
    for (int i = 0; i < rank * Species.LANES; i++) {
      lanes.set(I, i * 4L, i / rank);
    }
  }

  private boolean isWide() {
    return rank > MAX_SPREAD_RANK;
  }

  /**
   * Tells whether a gradient of B lies as this class can write it: short rows without a gap, long
   * ones of whole vectors.
   */
  boolean takes(Tensor dB) {
    boolean fits = isWide() ? rank % Species.LANES == 0 : dB.rowStride() == rank;
    return TileView.isDirect(dB) && fits;
  }

  /**
   * Computes the sums.
   *
   * @param u block of {@code rank} rows
   * @param dY rows of at most {@link #MAX_TOKENS} tokens
   * @param columns d_out
   * @param dB one that {@link #takes} accepts
   */
  void put(
      MemorySegment u,
      long u0,
      TileView dY,
      int tokens,
      int columns,
      float scale,
      Tensor dB,
      boolean add,
      ThreadScratch own) {
    if (isWide()) {
      putRows(u, u0, dY, tokens, columns, scale, dB, add, own);
      return;
    }
    MemorySegment weights = own.get(ThreadScratch.Slot.PACKED, (long) pieces() * tokens * PIECE);
    spread(u, u0, tokens, scale, weights);
    MemorySegment out = dB.segment();
    int groups = rank == 1 ? 4 : rank == 2 ? 2 : 1;
    int vectors = columns / Species.LANES;
    int steps = vectors / groups;
    run(groups, dY.segment, dY.offset, dY.stride, weights, out, 0, tokens, steps, add);
    int done = steps * groups;
    run(
        1,
        dY.segment,
        dY.offset + done * V,
        dY.stride,
        weights,
        out,
        (long) done * rank * V,
        tokens,
        vectors - done,
        add);
    int whole = vectors * Species.LANES;
    if (whole < columns) {
      MemorySegment tail = Columns.tail(dY, tokens, whole, columns - whole, own);
      MemorySegment sums = own.get(ThreadScratch.Slot.TAIL_OUTPUT, (long) rank * Species.LANES);
      long at = (long) whole * rank * 4;
      long bytes = (long) (columns - whole) * rank * 4;
      if (add) {
        MemorySegment.copy(out, at, sums, 0, bytes);
      }
      run(1, tail, 0, V, weights, sums, 0, tokens, 1, add);
      MemorySegment.copy(sums, 0, out, at, bytes);
    }
  }

  /** Each row of B is some vectors: a product like others. */
  private void putRows(
      MemorySegment u,
      long u0,
      TileView dY,
      int tokens,
      int columns,
      float scale,
      Tensor dB,
      boolean add,
      ThreadScratch own) {
    MemorySegment rows = own.get(ThreadScratch.Slot.PACKED, (long) tokens * rank);
    for (int t = 0; t < tokens; t++) {
      for (int j = 0; j < rank; j++) {
        float value = u.get(F, u0 + j * Block.ROW + t * 4L);
        rows.set(F, ((long) t * rank + j) * 4, scale * value);
      }
    }
    Outer.accumulate(
        dY.segment,
        dY.offset,
        4,
        dY.stride,
        rows,
        0,
        rank * 4L,
        V,
        dB.segment(),
        0,
        dB.rowStride() * 4,
        columns,
        rank / Species.LANES,
        tokens,
        add);
  }

  private int pieces() {
    return (rank + RankTile.VECTORS - 1) / RankTile.VECTORS;
  }

  private void run(
      int groups,
      MemorySegment x,
      long x0,
      long xs,
      MemorySegment weights,
      MemorySegment c,
      long c0,
      int tokens,
      int steps,
      boolean add) {
    for (int piece = 0; piece < pieces(); piece++) {
      int v = piece * RankTile.VECTORS;
      RankTile.run(
          groups,
          Math.min(RankTile.VECTORS, rank - v),
          x,
          x0,
          xs,
          weights,
          (long) piece * tokens * PIECE * 4,
          lanes,
          v * V,
          c,
          c0 + v * V,
          rank * V,
          tokens,
          steps,
          add);
    }
  }

  /** Lays {@code s · Ud} out as rows of dB lie: its row again and again, for a vector's n. */
  private void spread(MemorySegment u, long u0, int tokens, float scale, MemorySegment weights) {
    for (int t = 0; t < tokens; t++) {
      int j = 0;
      for (int v = 0; v < period; v++) {
        long to = weightsAt(v, t, tokens);
        for (int i = 0; i < Species.LANES; i++) {
          weights.set(F, to + i * 4L, scale * u.get(F, u0 + j * Block.ROW + t * 4L));
          j = j + 1 == rank ? 0 : j + 1;
        }
      }
      for (int v = period; v < rank; v++) {
        long from = weightsAt(v - period, t, tokens);
        FloatVector.fromMemorySegment(Species.F32, weights, from, ORDER)
            .intoMemorySegment(weights, weightsAt(v, t, tokens), ORDER);
      }
    }
  }

  private static long weightsAt(int v, int t, int tokens) {
    return ((long) v / RankTile.VECTORS * tokens + t) * PIECE * 4 + v % RankTile.VECTORS * V;
  }
}
