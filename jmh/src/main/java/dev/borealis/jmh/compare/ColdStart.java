package dev.borealis.jmh.compare;

/**
 * How long a new process takes, in milliseconds since the JVM started.
 *
 * @param name of the contender
 * @param prepared when the library was loaded and the call prepared
 * @param firstCall when the first call was done
 * @param steady when calls first took no more than 1.5 times what they take at best
 */
public record ColdStart(String name, double prepared, double firstCall, double steady) {
  /** What is called. */
  public static final String WHAT = "AuroRA forward, 768 × 768, r = 8, 16 tokens, one thread";
}
