package dev.borealis.io;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A directory is not a PEFT checkpoint, or one that would compute something else than was meant.
 */
public final class PeftException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the file, the key or tensor, what was expected and what came
   * @param cause what found the fault first, if anything did
   */
  public PeftException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
