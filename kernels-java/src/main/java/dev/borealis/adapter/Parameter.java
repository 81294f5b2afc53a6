package dev.borealis.adapter;

/**
 * The tensors an adapter may have, with the names they carry in checkpoints. Which of them exist,
 * and with which shape, follows from the {@link AdapterSpec}.
 */
public enum Parameter {
  /** Down-projection A [r_a, d_in]; r_a is 2r for SwiGLU, else r. */
  A("lora_A.weight"),
  /** Bias a [r_a] of the down-projection. */
  A_BIAS("lora_A.bias"),
  /** MoSLoRA's mixer M [r, r]. */
  MIXER("lora_mixer.weight"),
  /** AuroRA's self-projection H [r, r]. */
  H("lora_H.weight"),
  /** AuroRA's spline weights W, [r, K] or [r, r, K]. */
  SPLINE("lora_spline.weight"),
  /** Swish's β [r]. */
  BETA("lora_beta"),
  /** Modulation v [r]; also VeRA's λ_d, AdaLoRA's and KaSA's diagonal. */
  V("lora_v"),
  /** Up-projection B [d_out, r]. */
  B("lora_B.weight"),
  /** Bias b [d_out] of the up-projection. */
  B_BIAS("lora_B.bias"),
  /** Output gain g [d_out]; DoRA's and VeRA's output vector. */
  GAIN("lora_g");

  private final String tensorName;
  // Ready-made, because checks name it in every call and calls must not allocate.
  private final String gradientName;

  Parameter(String tensorName) {
    this.tensorName = tensorName;
    this.gradientName = "gradient of " + tensorName;
  }

  /** {@return the name in checkpoints and messages} */
  public String tensorName() {
    return tensorName;
  }

  /** {@return the name of its gradient in messages} */
  String gradientName() {
    return gradientName;
  }
}
