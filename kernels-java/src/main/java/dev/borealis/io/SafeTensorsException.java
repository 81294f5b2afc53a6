package dev.borealis.io;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A file (or memory) is not a well-formed safetensors file. */
public final class SafeTensorsException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the file, the tensor, what was expected and what came
   * @param cause what found the fault first, if anything did
   */
  public SafeTensorsException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
