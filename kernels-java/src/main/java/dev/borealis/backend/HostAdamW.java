package dev.borealis.backend;

import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** AdamW's step on the host, on the caller's thread. */
final class HostAdamW implements AdamWKernel {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

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
    MemorySegment ws = weights.segment();
    MemorySegment gs = gradient.segment();
    MemorySegment ms = m.segment();
    MemorySegment vs = v.segment();
    long columns = weights.columns();
    for (long row = 0; row < weights.rows(); row++) {
      long weightRow = row * weights.rowStride();
      long gradientRow = row * gradient.rowStride();
      long stateRow = row * columns;
      for (long column = 0; column < columns; column++) {
        long at = (stateRow + column) * 4;
        long weightAt = (weightRow + column) * 4;
        double g = gs.get(FLOAT, (gradientRow + column) * 4);
        double first = ms.get(FLOAT, at);
        double second = vs.get(FLOAT, at);
        first += (1 - beta1) * (g - first);
        second = beta2 * second + (1 - beta2) * g * g;
        double direction = first / (Math.sqrt(second) / rootCorrection + epsilon);
        double w = keep * ws.get(FLOAT, weightAt) - stepSize * direction;
        ms.set(FLOAT, at, (float) first);
        vs.set(FLOAT, at, (float) second);
        ws.set(FLOAT, weightAt, (float) w);
      }
    }
  }
}
