package dev.borealis.merge;

import dev.borealis.tensor.Tensor;

/** Collects what a {@link MergeReport} says, block by block. */
final class MergeError {
  private final double[] weight;
  private final double[] bias;
  private final double[] sum;
  private final int inFeatures;
  private long samples;
  private double squares;
  private double errorSquares;
  private double maxError;

  MergeError(MergeDelta delta) {
    this.weight = MergeMath.values(delta.weight());
    this.inFeatures = (int) delta.weight().columns();
    int outFeatures = (int) delta.weight().rows();
    Tensor deltaBias = delta.bias();
    this.bias = deltaBias == null ? new double[outFeatures] : MergeMath.values(deltaBias);
    this.sum = new double[outFeatures];
  }

  /**
   * Takes a block.
   *
   * @param x [n, d_in]
   * @param y the adapter's branch [n, d_out]
   * @param n rows
   */
  void add(double[] x, double[] y, int n) {
    for (int row = 0; row < n; row++) {
      for (int o = 0; o < sum.length; o++) {
        double merged = bias[o];
        for (int i = 0; i < inFeatures; i++) {
          merged += weight[o * inFeatures + i] * x[row * inFeatures + i];
        }
        double value = y[row * sum.length + o];
        double error = merged - value;
        maxError = Math.max(maxError, Math.abs(error));
        errorSquares += error * error;
        squares += value * value;
        sum[o] += value;
      }
    }
    samples += n;
  }

  MergeReport report() {
    double constantSquares = 0;
    for (double value : sum) {
      constantSquares += value * value / samples;
    }
    return new MergeReport(
        samples,
        rootOfRatio(errorSquares, squares),
        maxError,
        rootOfRatio(constantSquares, squares));
  }

  private static double rootOfRatio(double part, double whole) {
    return part == 0 ? 0 : Math.sqrt(part / whole);
  }
}
