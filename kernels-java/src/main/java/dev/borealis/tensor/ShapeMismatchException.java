package dev.borealis.tensor;

/** A tensor's shape or row stride is not what the operation needs. */
public final class ShapeMismatchException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the tensor, the expected shape and the shape that came
   */
  public ShapeMismatchException(String message) {
    super(message);
  }
}
