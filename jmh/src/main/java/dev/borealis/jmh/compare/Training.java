package dev.borealis.jmh.compare;

/**
 * AdamW's numbers in every training step. They keep a step's time what it is in practice, and its
 * result checkable after any number of steps: ε is so large that the update is a smooth function of
 * the gradient (with the usual 1e-8 rounding decides its sign where the gradient is near 0), and
 * the decay so strong that weights keep their size under the same gradient for ever.
 */
public final class Training {
  /** η. */
  public static final double RATE = 1e-3;

  /** β1. */
  public static final double BETA1 = 0.9;

  /** β2. */
  public static final double BETA2 = 0.999;

  /** ε. */
  public static final double EPSILON = 1;

  /** λ, for all parameters. */
  public static final double DECAY = 50;

  private Training() {}

  /** {@return what weights are multiplied by in a step} */
  public static double keep() {
    return 1 - RATE * DECAY;
  }

  /**
   * {@return η / (1 − β1ᵗ)}
   *
   * @param t number of the step, from 1
   */
  public static double stepSize(long t) {
    return RATE / (1 - Math.pow(BETA1, (double) t));
  }

  /**
   * {@return 1 / √(1 − β2ᵗ)}
   *
   * @param t number of the step, from 1
   */
  public static double rootFactor(long t) {
    return 1 / Math.sqrt(1 - Math.pow(BETA2, (double) t));
  }

  /**
   * {@return the difference of weights, as a check compares it}
   *
   * @param now after a step
   * @param before it
   */
  public static float[] update(float[] now, float[] before) {
    float[] update = new float[now.length];
    for (int i = 0; i < update.length; i++) {
      update[i] = now[i] - before[i];
    }
    return update;
  }
}
