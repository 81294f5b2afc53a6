package dev.borealis.tensor;

/** A tensor's element type, or a combination of element types, is not legal for the operation. */
public final class DTypeMismatchException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the tensor, the expected types and the type that came
   */
  public DTypeMismatchException(String message) {
    super(message);
  }
}
