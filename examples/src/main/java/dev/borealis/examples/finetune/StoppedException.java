package dev.borealis.examples.finetune;

import java.io.Serial;

/** The user stopped the training; it has been saved. */
final class StoppedException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  StoppedException(String message) {
    super(message);
  }
}
