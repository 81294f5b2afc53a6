package dev.borealis.backend;

/** A backend that was asked for cannot start here. */
public final class BackendUnavailableException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the backend, the reason, and what would help
   */
  public BackendUnavailableException(String message) {
    super(message);
  }
}
