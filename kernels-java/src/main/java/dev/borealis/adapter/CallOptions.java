package dev.borealis.adapter;

import java.util.Objects;

/**
 * What may change from one forward call to the next. Immutable: make one and use it for many calls.
 *
 * @param scale s of this call
 * @param output what happens to the old Y
 * @param seed key of the dropout masks; unused without dropout
 * @param step counter of the dropout masks, usually the training step (32 bit, unsigned)
 */
public record CallOptions(float scale, Update output, long seed, int step) {
  /** Checks the components. */
  public CallOptions {
    Objects.requireNonNull(output, "output");
    if (!Float.isFinite(scale)) {
      throw new IllegalArgumentException("scale: expected a finite number, came " + scale);
    }
  }

  /**
   * {@return the options of a call that names none: the specification's scale, added onto Y, no
   * seed}
   *
   * @param spec the adapter's specification
   */
  public static CallOptions of(AdapterSpec spec) {
    return new CallOptions(spec.scale(), Update.ACCUMULATE, 0, 0);
  }

  /**
   * {@return these options with another scale}
   *
   * @param newScale finite
   */
  public CallOptions withScale(float newScale) {
    return new CallOptions(newScale, output, seed, step);
  }

  /**
   * {@return these options with another treatment of the old Y}
   *
   * @param newOutput overwrite or accumulate
   */
  public CallOptions withOutput(Update newOutput) {
    return new CallOptions(scale, newOutput, seed, step);
  }

  /**
   * {@return these options with other dropout masks}
   *
   * @param newSeed key
   * @param newStep counter
   */
  public CallOptions withDropout(long newSeed, int newStep) {
    return new CallOptions(scale, output, newSeed, newStep);
  }
}
