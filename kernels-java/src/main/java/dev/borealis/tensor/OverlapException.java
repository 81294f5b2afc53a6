package dev.borealis.tensor;

/** An output tensor shares memory with another tensor of the same call. */
public final class OverlapException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names both tensors
   */
  public OverlapException(String message) {
    super(message);
  }
}
