package dev.borealis.internal.reference;

import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import java.util.Arrays;
import java.util.Map;

/**
 * AuroRA's adaptive nonlinear layer (arXiv 2505.18738): {@code u = act(H act(z)) + L(z)}, L in the
 * three readings of {@link SplineMode}.
 *
 * <p>Backward, with g the gradient by u, t = act(z) and a = H t: {@code da = g ⊙ act'(a)}, {@code
 * dH = da tᵀ}, {@code dz = (Hᵀ da) ⊙ act'(z)} plus the spline's share.
 */
final class AuroraPhi extends Phi {
  private final Nonlinearity.Aurora layer;
  private final SplineGrid grid;
  private final int bases;
  // Empty where the term is not there.
  private final double[] h;
  private final double[] w;

  // Parts of the scratch.
  private final int tAt = 0;
  private final int aAt;
  private final int daAt;
  private final int sumAt;
  private final int basisAt;
  private final int slopeAt;
  private final int mixedAt;

  AuroraPhi(int rank, Nonlinearity.Aurora layer, Map<Parameter, double[]> parameters) {
    super(rank);
    this.layer = layer;
    this.grid = layer.grid();
    this.bases = grid.bases();
    this.h = layer.fixedTerm() ? Parameters.require(parameters, Parameter.H) : new double[0];
    this.w = layer.splineTerm() ? Parameters.require(parameters, Parameter.SPLINE) : new double[0];
    this.aAt = rank;
    this.daAt = 2 * rank;
    this.sumAt = 3 * rank;
    this.basisAt = sumAt + bases;
    this.slopeAt = basisAt + bases;
    this.mixedAt = slopeAt + bases;
  }

  @Override
  public int workLength() {
    return mixedAt + bases;
  }

  @Override
  public void forward(double[] z, int zAt, double[] u, int uAt, double[] work) {
    if (layer.fixedTerm()) {
      project(z, zAt, work);
      for (int j = 0; j < rank; j++) {
        u[uAt + j] = Functions.value(layer.activation(), work[aAt + j]);
      }
    } else {
      Arrays.fill(u, uAt, uAt + rank, 0);
    }
    if (layer.splineTerm()) {
      addSpline(z, zAt, u, uAt, work);
    }
  }

  /** t = act(z), a = H t. */
  private void project(double[] z, int zAt, double[] work) {
    for (int i = 0; i < rank; i++) {
      work[tAt + i] = Functions.value(layer.activation(), z[zAt + i]);
    }
    Vectors.multiply(h, rank, rank, work, tAt, work, aAt);
  }

  private void addSpline(double[] z, int zAt, double[] u, int uAt, double[] work) {
    Arrays.fill(work, sumAt, sumAt + bases, 0);
    for (int i = 0; i < rank; i++) {
      evaluate(z[zAt + i], work);
      switch (layer.mode()) {
        case SUM -> Vectors.add(work, sumAt, 1, work, basisAt, bases);
        case CHANNEL -> u[uAt + i] += Vectors.dot(w, i * bases, work, basisAt, bases);
        case FULL -> {
          for (int j = 0; j < rank; j++) {
            u[uAt + j] += Vectors.dot(w, (j * rank + i) * bases, work, basisAt, bases);
          }
        }
      }
    }
    if (layer.mode() == SplineMode.SUM) {
      for (int j = 0; j < rank; j++) {
        u[uAt + j] += Vectors.dot(w, j * bases, work, sumAt, bases);
      }
    }
  }

  /** All bases and their derivatives at one z. */
  private void evaluate(double z, double[] work) {
    for (int m = 0; m < bases; m++) {
      work[basisAt + m] = CubicSpline.basis(grid, m, z);
      work[slopeAt + m] = CubicSpline.slope(grid, m, z);
    }
  }

  @Override
  public void backward(
      double[] z,
      int zAt,
      double[] g,
      int gAt,
      double[] dz,
      int dzAt,
      Map<Parameter, double[]> gradients,
      double[] work) {
    if (layer.fixedTerm()) {
      project(z, zAt, work);
      for (int j = 0; j < rank; j++) {
        work[daAt + j] = g[gAt + j] * Functions.slope(layer.activation(), work[aAt + j]);
      }
      double[] dH = Parameters.require(gradients, Parameter.H);
      Vectors.addOuter(dH, work, daAt, rank, work, tAt, rank);
      Vectors.multiplyTransposed(h, rank, rank, work, daAt, dz, dzAt);
      for (int i = 0; i < rank; i++) {
        dz[dzAt + i] *= Functions.slope(layer.activation(), z[zAt + i]);
      }
    } else {
      Arrays.fill(dz, dzAt, dzAt + rank, 0);
    }
    if (layer.splineTerm()) {
      double[] dW = Parameters.require(gradients, Parameter.SPLINE);
      addSplineBackward(z, zAt, g, gAt, dz, dzAt, dW, work);
    }
  }

  private void addSplineBackward(
      double[] z, int zAt, double[] g, int gAt, double[] dz, int dzAt, double[] dW, double[] work) {
    if (layer.mode() == SplineMode.SUM) {
      Arrays.fill(work, sumAt, sumAt + bases, 0);
      Vectors.multiplyTransposed(w, rank, bases, g, gAt, work, mixedAt);
    }
    for (int i = 0; i < rank; i++) {
      evaluate(z[zAt + i], work);
      switch (layer.mode()) {
        case SUM -> {
          dz[dzAt + i] += Vectors.dot(work, mixedAt, work, slopeAt, bases);
          Vectors.add(work, sumAt, 1, work, basisAt, bases);
        }
        case CHANNEL -> {
          dz[dzAt + i] += g[gAt + i] * Vectors.dot(w, i * bases, work, slopeAt, bases);
          Vectors.add(dW, i * bases, g[gAt + i], work, basisAt, bases);
        }
        case FULL -> {
          for (int j = 0; j < rank; j++) {
            int row = (j * rank + i) * bases;
            dz[dzAt + i] += g[gAt + j] * Vectors.dot(w, row, work, slopeAt, bases);
            Vectors.add(dW, row, g[gAt + j], work, basisAt, bases);
          }
        }
      }
    }
    if (layer.mode() == SplineMode.SUM) {
      Vectors.addOuter(dW, g, gAt, rank, work, sumAt, bases);
    }
  }
}
