package dev.borealis.jmh.compare;

/** What is timed. */
public enum Call {
  /** {@code Y += s·φ(X Aᵀ) Bᵀ}, for inference. */
  FORWARD("forward"),
  /** dX and the gradients of all parameters, all accumulated, after one forward call. */
  BACKWARD("backward"),
  /** Forward, backward from zeroed gradients, and AdamW for all parameters. */
  STEP("training step"),
  /** {@code ΔW = s·B·A}; LoRA. */
  MERGE("merge");

  private final String title;

  Call(String title) {
    this.title = title;
  }

  /** {@return whether the contract says that a call of Borealis allocates nothing} */
  public boolean garbageFree() {
    return this == FORWARD || this == BACKWARD;
  }

  /** {@return the name in reports} */
  public String title() {
    return title;
  }
}
