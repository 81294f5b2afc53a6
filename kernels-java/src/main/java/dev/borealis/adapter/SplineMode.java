package dev.borealis.adapter;

/**
 * Readings of AuroRA's spline term {@code w_s · s(Z), s(Z) = Σ_i B(z_i)} (arXiv 2505.18738); r is
 * the rank, K the number of bases.
 */
public enum SplineMode {
  /** L = W q with q = Σ_i b(z_i); W is [r, K]. The paper's text. */
  SUM,
  /** L_j = Σ_m W[j,m] b_m(z_j); W is [r, K]. */
  CHANNEL,
  /** L_j = Σ_{i,m} W[j,i,m] b_m(z_i); W is [r, r, K]. The Kolmogorov–Arnold reading. */
  FULL
}
