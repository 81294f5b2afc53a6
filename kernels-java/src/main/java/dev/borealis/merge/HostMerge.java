package dev.borealis.merge;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.MergeKernel;
import dev.borealis.backend.MergeMoments;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Merges of tensors on the host, on the caller's thread. */
final class HostMerge implements MergeKernel {
  @Override
  public void delta(AdapterWeights weights, float scale, Tensor weight, @Nullable Tensor bias) {
    AdapterOracle oracle = new AdapterOracle(weights);
    MergeMath.write(oracle.mergedDelta(scale), weight);
    if (bias != null) {
      // Linear in x, so its value at 0 is all that does not depend on x.
      double[] constant =
          weights.parameters().contains(Parameter.A_BIAS)
              ? oracle
                  .forward(new double[inFeatures(weights)], 1, options(weights, scale), false)
                  .y()
              : MergeMath.values(weights.get(Parameter.B_BIAS));
      MergeMath.write(constant, bias);
    }
  }

  private static int inFeatures(AdapterWeights weights) {
    return weights.spec().inFeatures();
  }

  private static CallOptions options(AdapterWeights weights, float scale) {
    return CallOptions.of(weights.spec()).withScale(scale);
  }

  @Override
  public MergeMoments moments(AdapterWeights weights, Tensor samples, boolean centred) {
    AdapterSpec spec = weights.spec();
    int downRank = spec.downRank();
    int rank = spec.rank();
    Samples blocks = new Samples(samples, spec.inFeatures());
    double[] z = new double[MergeMath.length(blocks.rows(), downRank)];
    double[] u = new double[MergeMath.length(blocks.rows(), rank)];
    AdapterOracle oracle = new AdapterOracle(weights);
    // Neither Z nor U depends on the scale.
    CallOptions options = CallOptions.of(spec);
    blocks.forEachBlock((x, first, n) -> {
      AdapterOracle.Forward forward = oracle.forward(x, n, options, false);
      System.arraycopy(forward.z(), 0, z, first * downRank, n * downRank);
      System.arraycopy(forward.u(), 0, u, first * rank, n * rank);
    });
    double[] zMean = centred ? centre(z, downRank) : new double[downRank];
    double[] uMean = centred ? centre(u, rank) : new double[rank];
    return new MergeMoments(
        zMean,
        uMean,
        LeastSquares.product(z, downRank, z, downRank),
        LeastSquares.product(z, downRank, u, rank));
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

  @Override
  public void fold(
      AdapterWeights weights,
      float scale,
      double[] mixerT,
      double[] constant,
      Tensor weight,
      @Nullable Tensor bias) {
    int rank = weights.spec().rank();
    int columns = inFeatures(weights);
    double[] core = new double[MergeMath.length(rank, columns)];
    addProduct(mixerT, MergeMath.values(weights.get(Parameter.A)), rank, columns, core);
    double[] up = gainedUpProjection(weights, scale);
    MergeMath.write(product(up, core, rank, columns), weight);
    if (bias == null) {
      return;
    }
    double[] hidden = constant.clone();
    double @Nullable [] downBias = MergeMath.optional(weights, Parameter.A_BIAS);
    if (downBias != null) {
      addProduct(mixerT, downBias, rank, 1, hidden);
    }
    double[] sum = product(up, hidden, rank, 1);
    double @Nullable [] upBias = MergeMath.optional(weights, Parameter.B_BIAS);
    for (int o = 0; upBias != null && o < sum.length; o++) {
      sum[o] += upBias[o];
    }
    MergeMath.write(sum, bias);
  }

  /** s·g ⊙ B [d_out, r]. */
  private static double[] gainedUpProjection(AdapterWeights weights, float scale) {
    int rank = weights.spec().rank();
    double[] b = MergeMath.values(weights.get(Parameter.B));
    double @Nullable [] gain = MergeMath.optional(weights, Parameter.GAIN);
    for (int i = 0; i < b.length; i++) {
      b[i] *= gain == null ? scale : scale * gain[i / rank];
    }
    return b;
  }

  /** result [r, columns] += M · matrix, from Mᵀ [r_a, r] and matrix [r_a, columns]. */
  private static void addProduct(
      double[] mixerT, double[] matrix, int rank, int columns, double[] result) {
    for (int j = 0; j < rank; j++) {
      for (int i = 0; i < mixerT.length / rank; i++) {
        MergeMath.addRow(result, j, mixerT[i * rank + j], matrix, i, columns);
      }
    }
  }

  /** up [d_out, r] · matrix [r, columns]. */
  private static double[] product(double[] up, double[] matrix, int rank, int columns) {
    double[] result = new double[MergeMath.length(up.length / rank, columns)];
    for (int o = 0; o < up.length / rank; o++) {
      for (int k = 0; k < rank; k++) {
        MergeMath.addRow(result, o, up[o * rank + k], matrix, k, columns);
      }
    }
    return result;
  }

  @Override
  public void add(Tensor delta, Tensor to) {
    for (long row = 0; row < to.rows(); row++) {
      for (long column = 0; column < to.columns(); column++) {
        float old = to.get(row, column);
        float change = delta.get(row, column);
        // A float sum is rounded already: for a narrower type, rounding to odd keeps it right.
        float sum = to.dtype() == DType.F32 ? old + change : sumToOdd(old, change);
        to.set(row, column, sum);
      }
    }
  }

  /**
   * {@return the sum rounded to odd: if it is not exact, that neighbour whose last bit is set}
   * Rounded again to at most 22 bits it then gives what the exact sum gives (Boldo and Melquiond,
   * 2008).
   */
  static float sumToOdd(float a, float b) {
    float sum = a + b;
    if (!Float.isFinite(sum)) {
      return sum;
    }
    float bPart = sum - a;
    float error = (a - (sum - bPart)) + (b - bPart);
    if (error == 0 || (Float.floatToRawIntBits(sum) & 1) != 0) {
      return sum;
    }
    return error > 0 ? Math.nextUp(sum) : Math.nextDown(sum);
  }

  /** Each step is a bijection of the hash and of the element. */
  @Override
  public long[] fingerprint(Tensor tensor) {
    long hash = 1;
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        hash = (hash ^ bits(tensor, row * tensor.rowStride() + column)) * 0x9e3779b97f4a7c15L;
        hash ^= hash >>> 32;
      }
    }
    return new long[] {hash};
  }

  private static long bits(Tensor tensor, long index) {
    return tensor.dtype() == DType.F32
        ? tensor.segment().get(ValueLayout.JAVA_INT_UNALIGNED, index * 4)
        : tensor.segment().get(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2);
  }
}
