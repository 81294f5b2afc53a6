package dev.borealis.examples.conformance;

import java.util.List;

/** Runs the cases of a folder: a placeholder that only says what it was given. */
public final class ConformanceMain {
  private ConformanceMain() {}

  /**
   * Prints the folder of cases and the backend asked for.
   *
   * @param args the folder of cases
   */
  public static void main(String[] args) {
    System.out.printf(
        "placeholder conformance, cases %s, backend %s%n",
        List.of(args), System.getProperty("borealis.backend"));
  }
}
