package dev.borealis.examples.finetune;

import dev.borealis.optim.AdamW;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** A linear classifier {@code softmax(W x + b)} with cross entropy; sums are in double. */
final class Head {
  private static final String WEIGHT = "head.weight";
  private static final String BIAS = "head.bias";

  private final int in;
  private final int classes;
  private final Tensor weight;
  private final Tensor bias;
  private final Tensor dWeight;
  private final Tensor dBias;

  /**
   * What a batch gives.
   *
   * @param loss mean cross entropy
   * @param dX its gradient by the inputs
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared, only read
  record Loss(double loss, float[][] dX) {}

  /** W and b uniform within ±1/√in, as PyTorch's Linear begins. */
  Head(int in, int classes, long seed, Arena arena) {
    this.in = in;
    this.classes = classes;
    this.weight = Tensor.allocate(arena, DType.F32, classes, in);
    this.bias = Tensor.allocate(arena, DType.F32, classes);
    this.dWeight = Tensor.allocate(arena, DType.F32, classes, in);
    this.dBias = Tensor.allocate(arena, DType.F32, classes);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    double bound = 1 / Math.sqrt(in);
    for (Tensor tensor : new Tensor[] {weight, bias}) {
      float[] values = read(tensor);
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) ((2 * random.nextDouble() - 1) * bound);
      }
      write(values, tensor);
    }
  }

  /** The numbers by name, for saving and restoring. */
  Map<String, Tensor> tensors() {
    return Map.of(WEIGHT, weight, BIAS, bias);
  }

  /** An optimiser of W, which decays, and b, which doesn't. */
  AdamW optimiser(double weightDecay, Arena arena) {
    return AdamW.builder()
        .weightDecay(weightDecay)
        .add(WEIGHT, weight, dWeight, true)
        .add(BIAS, bias, dBias, false)
        .build(arena);
  }

  /** The logits {@code [n, classes]} of {@code x [n, in]}. */
  double[][] logits(float[][] x) {
    float[] w = read(weight);
    float[] b = read(bias);
    double[][] logits = new double[x.length][classes];
    for (int n = 0; n < x.length; n++) {
      for (int c = 0; c < classes; c++) {
        double sum = b[c];
        for (int i = 0; i < in; i++) {
          sum += (double) w[c * in + i] * x[n][i];
        }
        logits[n][c] = sum;
      }
    }
    return logits;
  }

  /** The class with the largest logit. */
  static int best(double[] logits) {
    int best = 0;
    for (int c = 1; c < logits.length; c++) {
      if (logits[c] > logits[best]) {
        best = c;
      }
    }
    return best;
  }

  /** The loss of a batch; the parameters' gradients are overwritten. */
  Loss loss(float[][] x, int[] labels) {
    double[][] p = logits(x);
    float[] w = read(weight);
    double[] gradientW = new double[classes * in];
    double[] gradientB = new double[classes];
    float[][] dX = new float[x.length][in];
    double loss = 0;
    for (int n = 0; n < x.length; n++) {
      loss -= logSoftmax(p[n], labels[n]) / x.length;
      double[] gradient = new double[in];
      for (int c = 0; c < classes; c++) {
        double d = (p[n][c] - (c == labels[n] ? 1 : 0)) / x.length;
        gradientB[c] += d;
        for (int i = 0; i < in; i++) {
          gradientW[c * in + i] += d * x[n][i];
          gradient[i] += d * w[c * in + i];
        }
      }
      for (int i = 0; i < in; i++) {
        dX[n][i] = (float) gradient[i];
      }
    }
    write(rounded(gradientW), dWeight);
    write(rounded(gradientB), dBias);
    return new Loss(loss, dX);
  }

  /** Turns logits into probabilities; StrictMath gives the same bits on every machine. */
  private static double logSoftmax(double[] logits, int label) {
    double max = logits[best(logits)];
    double sum = 0;
    for (double logit : logits) {
      sum += StrictMath.exp(logit - max);
    }
    double logProbability = logits[label] - max - StrictMath.log(sum);
    for (int c = 0; c < logits.length; c++) {
      logits[c] = StrictMath.exp(logits[c] - max) / sum;
    }
    return logProbability;
  }

  private static float[] rounded(double[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = (float) values[i];
    }
    return result;
  }

  private static float[] read(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_FLOAT);
  }

  private static void write(float[] values, Tensor tensor) {
    MemorySegment.copy(values, 0, tensor.segment(), ValueLayout.JAVA_FLOAT, 0, values.length);
  }
}
