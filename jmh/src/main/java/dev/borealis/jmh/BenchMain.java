package dev.borealis.jmh;

import java.io.IOException;

/** Starts the benchmarks: a placeholder that hands its arguments to JMH. */
public final class BenchMain {
  private BenchMain() {}

  /**
   * Runs the benchmarks whose names match.
   *
   * @param args JMH's own arguments, first of them a pattern for the names
   * @throws IOException if JMH can't read its list of benchmarks
   */
  public static void main(String[] args) throws IOException {
    org.openjdk.jmh.Main.main(args);
  }
}
