package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A linear layer in plain loops; also gathers the gradient of W, for finite differences. */
final class NaiveProjection implements Projection {
  private final int in;
  private final int out;
  private final float[] bias;
  private final float[][] w;
  private final float[][] dW;

  NaiveProjection(LinearWeights weights) {
    in = weights.in();
    out = weights.out();
    bias = weights.bias().toArray(ValueLayout.JAVA_FLOAT);
    float[][] outByIn = new float[out][in];
    for (int o = 0; o < out; o++) {
      Segments.readRow(weights.weight(), o, outByIn[o]);
    }
    w = new float[in][out];
    Rows.transpose(outByIn, w, out, in);
    dW = new float[in][out];
  }

  /** W transposed, {@code [in, out]}; changes take effect. */
  float[][] weight() {
    return w;
  }

  /** Gradient of {@link #weight}, accumulated. */
  float[][] weightGradient() {
    return dW;
  }

  @Override
  public void forward(MemorySegment x, MemorySegment y, int rows) {
    Parallel.ranges(
        rows,
        (from, to) -> {
          float[][] input = new float[1][in];
          float[][] output = new float[1][out];
          for (int r = from; r < to; r++) {
            Segments.readRow(x, r, input[0]);
            Rows.product(input, w, output, 1, in, out);
            for (int o = 0; o < out; o++) {
              output[0][o] += bias[o];
            }
            Segments.writeRow(output[0], y, r);
          }
        });
  }

  @Override
  public void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows) {
    float[] input = new float[in];
    float[] inputGradient = new float[in];
    float[] outputGradient = new float[out];
    for (int r = 0; r < rows; r++) {
      Segments.readRow(x, r, input);
      Segments.readRow(dX, r, inputGradient);
      Segments.readRow(dY, r, outputGradient);
      for (int i = 0; i < in; i++) {
        inputGradient[i] += Rows.dot(outputGradient, w[i], out);
        for (int o = 0; o < out; o++) {
          dW[i][o] += input[i] * outputGradient[o];
        }
      }
      Segments.writeRow(inputGradient, dX, r);
    }
  }
}
