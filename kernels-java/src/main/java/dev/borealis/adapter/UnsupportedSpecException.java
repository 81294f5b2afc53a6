package dev.borealis.adapter;

/** A specification, or an operation on it, that is not defined or that a backend does not cover. */
public final class UnsupportedSpecException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the property, what is supported and what came
   */
  public UnsupportedSpecException(String message) {
    super(message);
  }
}
