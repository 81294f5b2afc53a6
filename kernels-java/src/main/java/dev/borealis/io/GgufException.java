package dev.borealis.io;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A file (or memory) is not a GGUF LoRA adapter that can be read. */
public final class GgufException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message names the file, the key or tensor, what was expected and what came
   * @param cause what found the fault first, if anything did
   */
  public GgufException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
