package dev.borealis.backend;

import dev.borealis.tensor.Tensor;

/**
 * What a backend implements for AdamW: one tensor's step, with β1, β2 and ε given when it was made.
 * All arguments are checked.
 */
public interface AdamWKernel {
  /**
   * {@return steps on the host, on the caller's thread}
   *
   * @param beta1 decay of m
   * @param beta2 decay of v
   * @param epsilon ε
   */
  static AdamWKernel onHost(double beta1, double beta2, double epsilon) {
    return new HostAdamW(beta1, beta2, epsilon);
  }

  /**
   * Updates weights and moments, in double, each result rounded once:
   *
   * <pre>
   * m ← m + (1 − β1)(g − m)         v ← β2·v + (1 − β2)·g²
   * w ← keep·w − stepSize · m / (√v / rootCorrection + ε)
   * </pre>
   *
   * @param weights w, F32, any row stride
   * @param gradient g, F32, of the same shape, any row stride
   * @param m F32, dense
   * @param v F32, dense
   * @param keep 1 − η·λ
   * @param stepSize η/(1 − β1ᵗ)
   * @param rootCorrection √(1 − β2ᵗ)
   */
  void update(
      Tensor weights,
      Tensor gradient,
      Tensor m,
      Tensor v,
      double keep,
      double stepSize,
      double rootCorrection);
}
