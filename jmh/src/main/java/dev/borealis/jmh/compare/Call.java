package dev.borealis.jmh.compare;

/** What is timed. */
public enum Call {
  /** {@code Y += s·φ(X Aᵀ) Bᵀ}, for inference. */
  FORWARD,
  /** dX and the gradients of all parameters, all accumulated, after one forward call. */
  BACKWARD
}
