package dev.borealis.merge;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Fits {@code U ≈ Z Mᵀ (+ c)} and folds it: {@code ΔW = s·g ⊙ B M A}. */
final class CalibratedMerge {
  private final AdapterWeights weights;
  private final int downRank;
  private final int rank;
  private final int inFeatures;
  private final int outFeatures;
  private final CallOptions options;

  CalibratedMerge(AdapterWeights weights, CallOptions options) {
    AdapterSpec spec = weights.spec();
    this.weights = weights;
    this.downRank = spec.downRank();
    this.rank = spec.rank();
    this.inFeatures = spec.inFeatures();
    this.outFeatures = spec.outFeatures();
    this.options = options;
  }

  MergeDelta compute(Samples samples, Calibration calibration, Arena arena) {
    double[] z = new double[MergeMath.length(samples.rows(), downRank)];
    double[] u = new double[MergeMath.length(samples.rows(), rank)];
    AdapterOracle oracle = new AdapterOracle(weights);
    samples.forEachBlock((x, first, n) -> {
      AdapterOracle.Forward forward = oracle.forward(x, n, options, false);
      System.arraycopy(forward.z(), 0, z, first * downRank, n * downRank);
      System.arraycopy(forward.u(), 0, u, first * rank, n * rank);
    });
    boolean affine = calibration == Calibration.AFFINE;
    // Centring first leaves to M what varies, and to the intercept the means.
    double[] zMean = affine ? centre(z, downRank) : new double[downRank];
    double[] uMean = affine ? centre(u, rank) : new double[rank];
    double[] mixerT = LeastSquares.solve(z, downRank, u, rank);

    double[] core = new double[MergeMath.length(rank, inFeatures)];
    double[] a = MergeMath.values(weights.get(Parameter.A));
    addProduct(mixerT, a, inFeatures, core);
    double[] gainedB = gainedUpProjection();
    Tensor weight =
        MergeMath.tensor(product(gainedB, core, inFeatures), arena, outFeatures, inFeatures);
    double @Nullable [] downBias = MergeMath.optional(weights, Parameter.A_BIAS);
    double @Nullable [] upBias = MergeMath.optional(weights, Parameter.B_BIAS);
    if (!affine && downBias == null && upBias == null) {
      return new MergeDelta(weight, null);
    }
    // u = M (A x + a − z̄) + ū: what does not depend on x goes into the bias.
    double[] offset = new double[downRank];
    for (int i = 0; i < downRank; i++) {
      offset[i] = (downBias == null ? 0 : downBias[i]) - zMean[i];
    }
    addProduct(mixerT, offset, 1, uMean);
    double[] bias = product(gainedB, uMean, 1);
    for (int o = 0; upBias != null && o < outFeatures; o++) {
      bias[o] += upBias[o];
    }
    return new MergeDelta(weight, MergeMath.tensor(bias, arena, outFeatures));
  }

  /** Subtracts the mean of the rows and returns it. */
  private static double[] centre(double[] rows, int columns) {
    double[] mean = new double[columns];
    int n = rows.length / columns;
    for (int i = 0; i < rows.length; i++) {
      mean[i % columns] += rows[i] / n;
    }
    for (int i = 0; i < rows.length; i++) {
      rows[i] -= mean[i % columns];
    }
    return mean;
  }

  /** s·g ⊙ B [d_out, r]. */
  private double[] gainedUpProjection() {
    double[] b = MergeMath.values(weights.get(Parameter.B));
    double @Nullable [] gain = MergeMath.optional(weights, Parameter.GAIN);
    for (int i = 0; i < b.length; i++) {
      b[i] *= gain == null ? options.scale() : options.scale() * gain[i / rank];
    }
    return b;
  }

  /** result [r, columns] += M · matrix, from Mᵀ [r_a, r] and matrix [r_a, columns]. */
  private void addProduct(double[] mixerT, double[] matrix, int columns, double[] result) {
    for (int j = 0; j < rank; j++) {
      for (int i = 0; i < downRank; i++) {
        double factor = mixerT[i * rank + j];
        MergeMath.addRow(result, j, factor, matrix, i, columns);
      }
    }
  }

  /** up [d_out, r] · matrix [r, columns]. */
  private double[] product(double[] up, double[] matrix, int columns) {
    double[] result = new double[MergeMath.length(outFeatures, columns)];
    for (int o = 0; o < outFeatures; o++) {
      for (int k = 0; k < rank; k++) {
        MergeMath.addRow(result, o, up[o * rank + k], matrix, k, columns);
      }
    }
    return result;
  }
}
