package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;

/** DoRA's output gain (arXiv 2402.09353). */
final class DoraGain {
  private DoraGain() {}

  /**
   * Returns {@code g = m / ‖W0 + s·B·A‖}, norms row by row. Each row of the sum is made in fp64 and
   * dropped: no dearer than the expanded form of the norm, and nothing cancels.
   *
   * @param spec for s and the shapes
   * @param magnitude m [d_out]
   * @param w0 W0 [d_out, d_in]
   * @param a A [r, d_in]
   * @param b B [d_out, r]
   * @param arena owner of the result
   * @return F32 [d_out]
   * @throws ShapeMismatchException if W0 is not [d_out, d_in]
   * @throws IllegalArgumentException if a row's norm is 0 or not finite
   */
  static Tensor of(AdapterSpec spec, Tensor magnitude, Tensor w0, Tensor a, Tensor b, Arena arena) {
    if (!w0.hasShape(spec.outFeatures(), spec.inFeatures())) {
      throw new ShapeMismatchException(
          "W0: expected shape ["
              + spec.outFeatures()
              + ", "
              + spec.inFeatures()
              + "] (transposed, where the model stores [d_in, d_out]), came "
              + w0);
    }
    Tensor gain = Tensor.allocate(arena, DType.F32, spec.outFeatures());
    double[] row = new double[spec.inFeatures()];
    for (int o = 0; o < spec.outFeatures(); o++) {
      for (int i = 0; i < row.length; i++) {
        row[i] = w0.get(o, i);
      }
      for (int k = 0; k < spec.rank(); k++) {
        double weight = (double) spec.scale() * b.get(o, k);
        for (int i = 0; i < row.length; i++) {
          row[i] += weight * a.get(k, i);
        }
      }
      gain.set(0, o, (float) (magnitude.get(0, o) / norm(row, o)));
    }
    return gain;
  }

  private static double norm(double[] row, int index) {
    double squares = 0;
    for (double value : row) {
      squares += value * value;
    }
    if (!(squares > 0) || Double.isInfinite(squares)) {
      throw new IllegalArgumentException(
          "W0 + s·B·A: expected rows of positive, finite norm, came the square "
              + squares
              + " in row "
              + index);
    }
    return Math.sqrt(squares);
  }
}
