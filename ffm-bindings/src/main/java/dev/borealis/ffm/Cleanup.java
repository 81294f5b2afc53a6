package dev.borealis.ffm;

import org.jspecify.annotations.Nullable;

/** Steps that are all run, whichever of them fail; then the first failure is thrown. */
final class Cleanup {
  private @Nullable RuntimeException first;

  void run(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException e) {
      if (first == null) {
        first = e;
      } else {
        first.addSuppressed(e);
      }
    }
  }

  void finish() {
    if (first != null) {
      throw first;
    }
  }
}
