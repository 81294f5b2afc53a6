package dev.borealis.adapter;

/**
 * Fixed element-wise functions f. Derivatives at a kink follow the branch for z ≤ 0, as PyTorch's
 * do.
 */
public enum Activation {
  /** f(z) = z. */
  IDENTITY,
  /** f(z) = max(z, 0). */
  RELU,
  /** f(z) = z for z &gt; 0, 0.01 z otherwise. */
  LEAKY_RELU,
  /** f(z) = z/2 · (1 + erf(z/√2)). */
  GELU,
  /** f(z) = z/2 · (1 + tanh(√(2/π)(z + 0.044715 z³))). */
  GELU_TANH,
  /** f(z) = z · sigmoid(z). */
  SILU,
  /** f(z) = tanh(z). */
  TANH,
  /** f(z) = 1 / (1 + exp(−z)). */
  SIGMOID
}
