package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A linear layer as three loops; also gathers the gradient of W, for finite differences. */
final class NaiveProjection implements Projection {
  private final LinearWeights weights;
  private final float[] bias;
  private final float[][] w;
  private final float[][] dW;

  NaiveProjection(LinearWeights weights) {
    this.weights = weights;
    this.bias = weights.bias().toArray(ValueLayout.JAVA_FLOAT);
    this.w = new float[weights.out()][weights.in()];
    this.dW = new float[weights.out()][weights.in()];
    for (int o = 0; o < w.length; o++) {
      Segments.readRow(weights.weight(), o, w[o]);
    }
  }

  /** W {@code [out, in]}, changes take effect. */
  float[][] weight() {
    return w;
  }

  /** Gradient of W {@code [out, in]}, accumulated. */
  float[][] weightGradient() {
    return dW;
  }

  @Override
  public void forward(MemorySegment x, MemorySegment y, int rows) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[] input = new float[weights.in()];
          float[] output = new float[weights.out()];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, input);
            for (int o = 0; o < output.length; o++) {
              output[o] = bias[o] + Rows.dot(input, w[o], input.length);
            }
            Segments.writeRow(output, y, r);
          }
        });
  }

  @Override
  public void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows) {
    float[] input = new float[weights.in()];
    float[] inputGradient = new float[weights.in()];
    float[] outputGradient = new float[weights.out()];
    for (int r = 0; r < rows; r++) {
      Segments.readRow(x, r, input);
      Segments.readRow(dX, r, inputGradient);
      Segments.readRow(dY, r, outputGradient);
      for (int o = 0; o < w.length; o++) {
        for (int i = 0; i < input.length; i++) {
          inputGradient[i] += outputGradient[o] * w[o][i];
          dW[o][i] += outputGradient[o] * input[i];
        }
      }
      Segments.writeRow(inputGradient, dX, r);
    }
  }
}
