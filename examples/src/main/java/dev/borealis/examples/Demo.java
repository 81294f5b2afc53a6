package dev.borealis.examples;

import java.util.List;

/** Runs a demonstration: a placeholder that only says what it was given. */
public final class Demo {
  private Demo() {}

  /**
   * Prints the demonstration asked for and the JVM it would run on.
   *
   * @param args the name of the demonstration, or nothing
   */
  public static void main(String[] args) {
    System.out.printf(
        "placeholder demo %s on Java %s, backend %s, threads %s, vector bits %s%n",
        List.of(args),
        Runtime.version().feature(),
        System.getProperty("borealis.backend"),
        System.getProperty("borealis.threads"),
        System.getProperty("borealis.vectorBits"));
    if (args.length > 0 && args[0].equals("fail")) {
      System.exit(3);
    }
  }
}
