package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineMode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * AuroRA's adaptive nonlinear layer {@code σ(z) = act(H act(z)) + L(z)} (arXiv 2505.18738). Nothing
 * is kept from the forward pass: the backward computes act(z), H·act(z) and the bases again.
 *
 * <p>Sums of gradients: dH [r, r] if there is a fixed term, then dW in its natural shape if there
 * is a spline.
 */
final class AuroraPhi extends Phi {
  private final Nonlinearity.Aurora spec;
  private final MemorySegment h;
  private final MemorySegment spline;
  // One table of cubics a rank unit, for CHANNEL, where each unit has one row of weights.
  private final SplineTable[] tables;
  private final int bases;
  private final double lo;
  private final double step;

  AuroraPhi(int rank, Nonlinearity.Aurora spec, Arena arena) {
    super(rank);
    this.spec = spec;
    this.bases = spec.grid().bases();
    this.lo = spec.grid().min();
    this.step = spec.grid().step();
    this.h = spec.fixedTerm() ? Scalars.allocate(arena, (long) rank * rank) : MemorySegment.NULL;
    long rows = spec.mode() == SplineMode.FULL ? (long) rank * rank : rank;
    this.spline = spec.splineTerm() ? Scalars.allocate(arena, rows * bases) : MemorySegment.NULL;
    boolean channel = spec.splineTerm() && spec.mode() == SplineMode.CHANNEL;
    this.tables = new SplineTable[channel ? rank : 0];
    for (int j = 0; j < tables.length; j++) {
      tables[j] = new SplineTable(lo, spec.grid().max(), spec.grid().size());
    }
  }

  @Override
  void pack(AdapterWeights weights) {
    if (spec.fixedTerm()) {
      copy(weights.get(Parameter.H), h);
    }
    if (spec.splineTerm()) {
      copy(weights.get(Parameter.SPLINE), spline);
    }
    for (int j = 0; j < tables.length; j++) {
      tables[j].pack(spline, 4L * j * bases);
    }
  }

  @Override
  void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    if (spec.fixedTerm()) {
      MemorySegment t = scratch.get(ThreadScratch.Slot.PHI_T, (long) rank * Block.TOKENS);
      Activations.forward(spec.activation(), z, z0, t, 0, rank, width);
      BlockProducts.apply(h, 0, rank, rank, t, 0, u, u0, width, false);
      Activations.forward(spec.activation(), u, u0, u, u0, rank, width);
    }
    if (spec.splineTerm()) {
      switch (spec.mode()) {
        case SUM -> {
          MemorySegment q = sumOfBases(z, z0, width, scratch);
          BlockProducts.apply(spline, 0, rank, bases, q, 0, u, u0, width, spec.fixedTerm());
        }
        case CHANNEL -> {
          for (int j = 0; j < rank; j++) {
            long row = j * Block.ROW;
            if (spec.fixedTerm()) {
              SplineRow.addForward(tables[j], z, z0 + row, u, u0 + row, width);
            } else {
              SplineRow.forward(tables[j], z, z0 + row, u, u0 + row, width);
            }
          }
        }
        case FULL -> forwardFull(z, z0, u, u0, width, scratch);
      }
    }
  }

  /** {@code q_m = Σ_i b_m(z_i)}. */
  private MemorySegment sumOfBases(MemorySegment z, long z0, int width, ThreadScratch scratch) {
    MemorySegment q = scratch.get(ThreadScratch.Slot.BASES, (long) bases * Block.TOKENS);
    BSpline.sumBases(lo, step, bases, z, z0, Block.ROW, rank, q, 0, Block.ROW, width);
    return q;
  }

  /** {@code b_m = b_m(z)} for one row of z. */
  private void basesOf(MemorySegment z, long z0, MemorySegment b, int width) {
    BSpline.sumBases(lo, step, bases, z, z0, Block.ROW, 1, b, 0, Block.ROW, width);
  }

  /** {@code u_j (+)= Σ_i Σ_m W[j,i,m] b_m(z_i)}, one i after the other. */
  private void forwardFull(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    MemorySegment b = scratch.get(ThreadScratch.Slot.BASES, (long) bases * Block.TOKENS);
    for (int i = 0; i < rank; i++) {
      basesOf(z, z0 + i * Block.ROW, b, width);
      Outer.run(
          spline,
          4L * i * bases,
          4L * rank * bases,
          4,
          b,
          0,
          Block.ROW,
          Packed.ROW,
          u,
          u0,
          Block.ROW,
          rank,
          width / Species.LANES,
          bases,
          spec.fixedTerm() || i > 0);
    }
  }

  @Override
  void backward(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch) {
    long splineSums = s0;
    if (spec.fixedTerm()) {
      MemorySegment t = scratch.get(ThreadScratch.Slot.PHI_T, (long) rank * Block.TOKENS);
      MemorySegment a = scratch.get(ThreadScratch.Slot.PHI_A, (long) rank * Block.TOKENS);
      Activations.forward(spec.activation(), z, z0, t, 0, rank, width);
      BlockProducts.apply(h, 0, rank, rank, t, 0, a, 0, width, false);
      // a becomes da = g ⊙ act'(a).
      Activations.backward(spec.activation(), a, 0, g, g0, a, 0, rank, width);
      BlockProducts.addGradient(a, 0, rank, t, 0, rank, width, sums, s0, rank, scratch);
      BlockProducts.applyTransposed(h, 0, rank, rank, rank, a, 0, dz, dz0, width, false);
      Activations.backward(spec.activation(), z, z0, dz, dz0, dz, dz0, rank, width);
      splineSums += 4L * rank * rank;
    } else {
      for (int j = 0; j < rank; j++) {
        Block.clear(dz, dz0 + j * Block.ROW, width);
      }
    }
    if (spec.splineTerm()) {
      switch (spec.mode()) {
        case SUM -> backwardSum(z, z0, g, g0, dz, dz0, width, sums, splineSums, scratch);
        case CHANNEL -> backwardChannel(z, z0, g, g0, dz, dz0, width, sums, splineSums, scratch);
        case FULL -> backwardFull(z, z0, g, g0, dz, dz0, width, sums, splineSums, scratch);
      }
    }
  }

  private void backwardSum(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch) {
    MemorySegment q = sumOfBases(z, z0, width, scratch);
    BlockProducts.addGradient(g, g0, rank, q, 0, bases, width, sums, s0, bases, scratch);
    MemorySegment e = scratch.get(ThreadScratch.Slot.BASES_GRADIENT, (long) bases * Block.TOKENS);
    BlockProducts.applyTransposed(spline, 0, rank, bases, bases, g, g0, e, 0, width, false);
    BSpline.addGradient(lo, step, bases, z, z0, Block.ROW, rank, e, 0, Block.ROW, dz, dz0, width);
  }

  private void backwardChannel(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch) {
    MemorySegment b = scratch.get(ThreadScratch.Slot.BASES, (long) bases * Block.TOKENS);
    for (int j = 0; j < rank; j++) {
      long row = j * Block.ROW;
      basesOf(z, z0 + row, b, width);
      BlockProducts.addGradient(
          g, g0 + row, 1, b, 0, bases, width, sums, s0 + 4L * j * bases, bases, scratch);
      SplineRow.addBackward(tables[j], z, z0 + row, g, g0 + row, dz, dz0 + row, width);
    }
  }

  private void backwardFull(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch) {
    MemorySegment b = scratch.get(ThreadScratch.Slot.BASES, (long) bases * Block.TOKENS);
    MemorySegment e = scratch.get(ThreadScratch.Slot.BASES_GRADIENT, (long) bases * Block.TOKENS);
    long stride = (long) rank * bases;
    for (int i = 0; i < rank; i++) {
      long row = i * Block.ROW;
      long column = 4L * i * bases;
      basesOf(z, z0 + row, b, width);
      BlockProducts.addGradient(
          g, g0, rank, b, 0, bases, width, sums, s0 + column, stride, scratch);
      BlockProducts.applyTransposed(spline, column, rank, bases, stride, g, g0, e, 0, width, false);
      BSpline.addGradient(
          lo, step, bases, z, z0 + row, Block.ROW, 1, e, 0, Block.ROW, dz, dz0 + row, width);
    }
  }
}
