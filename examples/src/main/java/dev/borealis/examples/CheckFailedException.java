package dev.borealis.examples;

import java.io.Serial;

/** A demonstration found something that should not be; the message says what. */
public final class CheckFailedException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  private CheckFailedException(String message) {
    super(message);
  }

  /**
   * Throws unless a condition holds.
   *
   * @param condition what should hold
   * @param message what was expected and what came
   * @throws CheckFailedException if it doesn't
   */
  public static void require(boolean condition, String message) {
    if (!condition) {
      throw new CheckFailedException(message);
    }
  }
}
