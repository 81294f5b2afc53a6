package dev.borealis.backend;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * AdamW's step on the host, on the caller's thread, through arrays: C2 makes vectors of a loop over
 * arrays, but not over segments, as those might overlap.
 */
final class HostAdamW implements AdamWKernel {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private static final int CHUNK = 1024;

  private final float[] w = new float[CHUNK];
  private final float[] g = new float[CHUNK];
  private final float[] first = new float[CHUNK];
  private final float[] second = new float[CHUNK];
  private final double beta1;
  private final double beta2;
  private final double epsilon;

  HostAdamW(double beta1, double beta2, double epsilon) {
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.epsilon = epsilon;
  }

  @Override
  public void update(
      Tensor weights,
      Tensor gradient,
      Tensor m,
      Tensor v,
      double keep,
      double stepSize,
      double rootCorrection) {
    long rows = weights.rows();
    long columns = weights.columns();
    if (weights.rowStride() == columns && gradient.rowStride() == columns) {
      columns *= rows;
      rows = Math.min(rows, 1);
    }
    for (long row = 0; row < rows; row++) {
      for (long column = 0; column < columns; column += CHUNK) {
        int count = (int) Math.min(CHUNK, columns - column);
        long weightAt = (row * weights.rowStride() + column) * Float.BYTES;
        long gradientAt = (row * gradient.rowStride() + column) * Float.BYTES;
        long stateAt = (row * columns + column) * Float.BYTES;
        MemorySegment.copy(weights.segment(), FLOAT, weightAt, w, 0, count);
        MemorySegment.copy(gradient.segment(), FLOAT, gradientAt, g, 0, count);
        MemorySegment.copy(m.segment(), FLOAT, stateAt, first, 0, count);
        MemorySegment.copy(v.segment(), FLOAT, stateAt, second, 0, count);
        step(count, keep, stepSize, rootCorrection);
        MemorySegment.copy(first, 0, m.segment(), FLOAT, stateAt, count);
        MemorySegment.copy(second, 0, v.segment(), FLOAT, stateAt, count);
        MemorySegment.copy(w, 0, weights.segment(), FLOAT, weightAt, count);
      }
    }
  }

  private void step(int count, double keep, double stepSize, double rootCorrection) {
    for (int i = 0; i < count; i++) {
      double slope = g[i];
      double mean = first[i] + (1 - beta1) * (slope - first[i]);
      double square = beta2 * second[i] + (1 - beta2) * slope * slope;
      double direction = mean / (Math.sqrt(square) / rootCorrection + epsilon);
      first[i] = (float) mean;
      second[i] = (float) square;
      w[i] = (float) (keep * w[i] - stepSize * direction);
    }
  }
}
