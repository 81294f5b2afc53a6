package dev.borealis.internal.json;

import java.io.IOException;

/** A text is not JSON, or not the JSON that its reader asked for. */
public final class JsonException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the byte, what was expected there and what came
   */
  public JsonException(String message) {
    super(message);
  }
}
