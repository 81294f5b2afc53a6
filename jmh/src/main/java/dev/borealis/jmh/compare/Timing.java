package dev.borealis.jmh.compare;

import java.util.Arrays;

/**
 * Times of one contender in one case.
 *
 * @param name of the contender
 * @param nanos of a call, round by round
 * @param bytesPerCall allocated on the calling thread's heap, in the round with the least
 */
@SuppressWarnings("ArrayRecordComponent") // data for JSON
public record Timing(String name, double[] nanos, double bytesPerCall) {
  /** {@return the time of the best round, which other work on the machine disturbed least} */
  public double best() {
    return Arrays.stream(nanos).min().orElseThrow();
  }
}
