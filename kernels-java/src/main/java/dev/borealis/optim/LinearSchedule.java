package dev.borealis.optim;

/**
 * Learning rate that rises linearly from 0 to its peak, then falls linearly to 0: what {@code
 * get_linear_schedule_with_warmup} of the transformers library computes. Immutable.
 *
 * @param peak learning rate at the end of the warm-up, finite, ≥ 0
 * @param warmupSteps number of steps of the warm-up, 0 to totalSteps
 * @param totalSteps step from which on the learning rate is 0, ≥ 1
 */
public record LinearSchedule(double peak, long warmupSteps, long totalSteps) {
  /** Checks the components. */
  public LinearSchedule {
    if (!(peak >= 0) || Double.isInfinite(peak)) {
      throw new IllegalArgumentException("peak: expected a finite number >= 0, came " + peak);
    }
    if (totalSteps < 1) {
      throw new IllegalArgumentException("totalSteps: expected at least 1, came " + totalSteps);
    }
    if (warmupSteps < 0 || warmupSteps > totalSteps) {
      throw new IllegalArgumentException(
          "warmupSteps: expected 0 to " + totalSteps + ", came " + warmupSteps);
    }
  }

  /**
   * {@return a schedule whose warm-up is a share of all steps, rounded up}
   *
   * @param peak learning rate at the end of the warm-up, finite, ≥ 0
   * @param warmupRatio share of the warm-up, in [0, 1]; AuroRA's paper takes 0.06
   * @param totalSteps step from which on the learning rate is 0, ≥ 1
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static LinearSchedule withWarmupRatio(double peak, double warmupRatio, long totalSteps) {
    if (!(warmupRatio >= 0 && warmupRatio <= 1)) {
      throw new IllegalArgumentException(
          "warmupRatio: expected a number in [0, 1], came " + warmupRatio);
    }
    return new LinearSchedule(peak, (long) Math.ceil(totalSteps * warmupRatio), totalSteps);
  }

  /**
   * {@return the learning rate of a step} With a warm-up, that of step 0 is 0.
   *
   * @param step number of optimiser steps taken before this one, ≥ 0
   * @throws IllegalArgumentException if the step is negative
   */
  public double at(long step) {
    if (step < 0) {
      throw new IllegalArgumentException("step: expected at least 0, came " + step);
    }
    if (step < warmupSteps) {
      return peak * step / warmupSteps;
    }
    long decaySteps = Math.max(1, totalSteps - warmupSteps);
    return peak * Math.max(0, totalSteps - step) / decaySteps;
  }
}
