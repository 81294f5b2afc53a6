package dev.borealis.jmh;

import dev.borealis.adapter.AdapterSpec;

/** The methods that are measured, each in the form its paper trains. */
public enum Method {
  /** Linear. */
  LORA,
  /** Adaptive nonlinear layer with tanh and the SUM spline. */
  AURORA,
  /** SiLU. */
  NORA,
  /** Modulated Swish with a learnable β. */
  NOLORA;

  /** {@return the specification of a square layer without dropout} */
  AdapterSpec spec(int features, int rank) {
    AdapterSpec.Builder builder =
        switch (this) {
          case LORA -> AdapterSpec.lora(features, features, rank);
          case AURORA -> AdapterSpec.aurora(features, features, rank);
          case NORA -> AdapterSpec.nora(features, features, rank);
          case NOLORA -> AdapterSpec.noLora(features, features, rank);
        };
    return builder.alpha(2.0 * rank).build();
  }
}
