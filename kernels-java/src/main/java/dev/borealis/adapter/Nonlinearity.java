package dev.borealis.adapter;

import java.util.Objects;

/**
 * φ of the kernel family {@code U = v ⊙ φ(Z)}: what stands between the down-projection and the
 * up-projection.
 */
public sealed interface Nonlinearity {
  /**
   * Element-wise f. {@link Activation#IDENTITY} is LoRA and its linear kin (VeRA, AdaLoRA, DoRA),
   * {@link Activation#SILU} is NoRA (arXiv 2602.22911), any f with modulation v is NoLoRA.
   *
   * @param activation the function
   */
  record Pointwise(Activation activation) implements Nonlinearity {
    /** Checks the component. */
    public Pointwise {
      Objects.requireNonNull(activation, "activation");
    }
  }

  /**
   * {@code f = z · sigmoid(βz)} with one learnable β per rank: NoLoRA's default (ICLR 2026
   * submission 6vIc5PdqQV).
   */
  record Swish() implements Nonlinearity {}

  /** {@code U = SiLU(z1) ⊙ z2}, where A has 2r rows, z1 first: NoRA's SwiGLU variant. */
  record SwiGlu() implements Nonlinearity {}

  /** {@code φ(Z) = Z Mᵀ} with M [r, r]: MoSLoRA. */
  record Mixer() implements Nonlinearity {}

  /**
   * AuroRA's adaptive nonlinear layer (arXiv 2505.18738): {@code σ(z) = act(H act(z)) + L(z)} with
   * the self-projection H [r, r] and a learnable spline term L.
   *
   * @param activation act: TANH, LEAKY_RELU or SIGMOID
   * @param fixedTerm whether {@code act(H act(z))} is there
   * @param splineTerm whether L is there; at least one of the two must be
   * @param mode which reading of L
   * @param grid the knots of L
   */
  record Aurora(
      Activation activation,
      boolean fixedTerm,
      boolean splineTerm,
      SplineMode mode,
      SplineGrid grid)
      implements Nonlinearity {
    /** Checks the components. */
    public Aurora {
      Objects.requireNonNull(activation, "activation");
      Objects.requireNonNull(mode, "mode");
      Objects.requireNonNull(grid, "grid");
      if (activation != Activation.TANH
          && activation != Activation.LEAKY_RELU
          && activation != Activation.SIGMOID) {
        throw new UnsupportedSpecException(
            "AuroRA activation: expected TANH, LEAKY_RELU or SIGMOID, came " + activation);
      }
      if (!fixedTerm && !splineTerm) {
        throw new UnsupportedSpecException(
            "AuroRA: expected the fixed term, the spline term or both, came neither");
      }
    }
  }
}
