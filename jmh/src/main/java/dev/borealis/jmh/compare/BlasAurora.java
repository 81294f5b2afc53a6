package dev.borealis.jmh.compare;

import static dev.borealis.jmh.compare.Elementary.Loops.BYTES;
import static dev.borealis.jmh.compare.Elementary.Loops.O;
import static dev.borealis.jmh.compare.Elementary.Loops.S;

import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.jmh.peer.Blas;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** {@code u = tanh(H tanh(z)) + W Σ_i b(z_i)}. */
final class BlasAurora extends BlasPhi {
  private static final SplineGrid GRID = SplineGrid.DEFAULT;
  private static final int BASES = GRID.bases();
  private static final float INVERSE_STEP = (float) (1 / GRID.step());

  private final Blas blas;
  private final Elementary elementary;
  private final MemorySegment t = rows(rank);
  private final MemorySegment f = rows(rank);
  private final MemorySegment da = rows(rank);
  private final MemorySegment q = rows(BASES);
  private final MemorySegment dq = rows(BASES);

  BlasAurora(Blas blas, Elementary elementary, Problem problem, int stride, Arena arena) {
    super(problem, stride, arena);
    this.blas = blas;
    this.elementary = elementary;
  }

  @Override
  void forward(MemorySegment z, MemorySegment u) {
    t.copyFrom(z);
    elementary.tanh(t);
    product(false, rank, rank, Parameter.H, t, 0, f);
    elementary.tanh(f);
    for (int m = 0; m < BASES; m++) {
      sumOfBasis(z, row(q, m), m);
    }
    u.copyFrom(f);
    product(false, rank, BASES, Parameter.SPLINE, q, 1, u);
  }

  @Override
  void backward(MemorySegment z, MemorySegment g, MemorySegment dz) {
    timesSlope(g, f, da);
    sums(da, t, rank, Parameter.H);
    product(true, rank, rank, Parameter.H, da, 0, dz);
    timesSlope(dz, t, dz);
    product(true, BASES, rank, Parameter.SPLINE, g, 0, dq);
    for (int m = 0; m < BASES; m++) {
      addBasisSlope(z, row(dq, m), dz, m);
    }
    sums(g, q, BASES, Parameter.SPLINE);
  }

  /** {@code out [m, n] = op(weight) in + β·out}. */
  private void product(
      boolean trans,
      int m,
      int k,
      Parameter weight,
      MemorySegment in,
      float beta,
      MemorySegment out) {
    int columns = trans ? m : k;
    blas.sgemm(
        trans, false, m, stride, k, 1, weight(weight), columns, in, stride, beta, out, stride);
  }

  /** Adds {@code left rightᵀ} [rank, columns] to a gradient. */
  private void sums(MemorySegment left, MemorySegment right, int columns, Parameter parameter) {
    blas.sgemm(
        false,
        true,
        rank,
        columns,
        stride,
        1,
        left,
        stride,
        right,
        stride,
        1,
        gradient(parameter),
        columns);
  }

  /** {@code out = g (1 − t²)}. */
  private static void timesSlope(MemorySegment g, MemorySegment t, MemorySegment out) {
    for (long at = 0; at < t.byteSize(); at += BYTES) {
      FloatVector value = FloatVector.fromMemorySegment(S, t, at, O);
      FloatVector.fromMemorySegment(S, g, at, O)
          .mul(value.neg().fma(value, FloatVector.broadcast(S, 1)))
          .intoMemorySegment(out, at, O);
    }
  }

  /** {@code sum = Σ_i b_m(z_i)}, b = (max(0, 2−|d|)³ − 4 max(0, 1−|d|)³)/6. */
  private void sumOfBasis(MemorySegment z, MemorySegment sum, int m) {
    float centre = (float) (GRID.min() + (m - 1) * GRID.step());
    for (long at = 0; at < sum.byteSize(); at += BYTES) {
      FloatVector total = FloatVector.zero(S);
      for (int i = 0; i < rank; i++) {
        FloatVector d =
            FloatVector.fromMemorySegment(S, z, at + 4L * i * stride, O)
                .sub(centre)
                .mul(INVERSE_STEP)
                .abs();
        FloatVector outer = FloatVector.broadcast(S, 2).sub(d).max(0);
        FloatVector inner = FloatVector.broadcast(S, 1).sub(d).max(0);
        total = outer.mul(outer).fma(outer, total);
        total = inner.mul(inner).mul(-4).fma(inner, total);
      }
      total.mul(1 / 6f).intoMemorySegment(sum, at, O);
    }
  }

  /** {@code dz_i += dq b'_m(z_i)}, b' = sign(d)/(2h) (4 max(0, 1−|d|)² − max(0, 2−|d|)²). */
  private void addBasisSlope(MemorySegment z, MemorySegment dq, MemorySegment dz, int m) {
    float centre = (float) (GRID.min() + (m - 1) * GRID.step());
    for (long at = 0; at < dq.byteSize(); at += BYTES) {
      FloatVector weight = FloatVector.fromMemorySegment(S, dq, at, O).mul(0.5f * INVERSE_STEP);
      for (int i = 0; i < rank; i++) {
        long of = at + 4L * i * stride;
        FloatVector d = FloatVector.fromMemorySegment(S, z, of, O).sub(centre).mul(INVERSE_STEP);
        FloatVector size = d.abs();
        FloatVector outer = FloatVector.broadcast(S, 2).sub(size).max(0);
        FloatVector inner = FloatVector.broadcast(S, 1).sub(size).max(0);
        FloatVector slope = inner.mul(4).mul(inner).sub(outer.mul(outer));
        FloatVector signed = slope.blend(slope.neg(), d.lt(0));
        signed
            .fma(weight, FloatVector.fromMemorySegment(S, dz, of, O))
            .intoMemorySegment(dz, of, O);
      }
    }
  }
}
