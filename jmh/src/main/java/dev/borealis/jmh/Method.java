package dev.borealis.jmh;

import dev.borealis.adapter.AdapterSpec;

/** The methods that are measured, each in the form its paper trains. */
public enum Method {
  /** Linear. */
  LORA("LoRA"),
  /** Adaptive nonlinear layer with tanh and the SUM spline. */
  AURORA("AuroRA"),
  /** SiLU. */
  NORA("NoRA"),
  /** Modulated Swish with a learnable β. */
  NOLORA("NoLoRA");

  private final String title;

  Method(String title) {
    this.title = title;
  }

  /** {@return the name as in the papers} */
  public String title() {
    return title;
  }

  /**
   * {@return the specification of a square layer without dropout}
   *
   * @param features d_in and d_out
   * @param rank r
   */
  public AdapterSpec spec(int features, int rank) {
    return spec(features, features, rank);
  }

  /**
   * {@return the specification of a layer without dropout}
   *
   * @param in d_in
   * @param out d_out
   * @param rank r
   */
  public AdapterSpec spec(int in, int out, int rank) {
    AdapterSpec.Builder builder =
        switch (this) {
          case LORA -> AdapterSpec.lora(in, out, rank);
          case AURORA -> AdapterSpec.aurora(in, out, rank);
          case NORA -> AdapterSpec.nora(in, out, rank);
          case NOLORA -> AdapterSpec.noLora(in, out, rank);
        };
    return builder.alpha(2.0 * rank).build();
  }
}
