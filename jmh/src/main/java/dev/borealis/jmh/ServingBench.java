package dev.borealis.jmh;

import dev.borealis.backend.Backend;
import java.util.Locale;

/**
 * The goals of serving many adapters from one batch: a row an adapter against reading all A and B,
 * one adapter's batch against its plain call, and a batch without adapters. What is compared takes
 * turns in this process ({@link Rounds}).
 */
final class ServingBench {
  private static final int ROWS = 64;
  private static final int RANK = 8;
  private static final int FEATURES = 4096;
  private static final double EACH_GOAL = 1.3;
  private static final double ONE_GOAL = 1.05;
  private static final double NONE_GOAL_NANOS = 100;
  private static final double WARM_UP_SECONDS = 4;
  private static final double SECONDS = 4;
  private static final String FORMAT = "%-7s %-23s %-18s %11s %11s  %-19s %8s  %9s  %s%n";

  private ServingBench() {}

  /** Measures on one thread, unless {@code borealis.threads} says otherwise, and prints. */
  static void run() {
    if (System.getProperty(BenchMain.THREADS) == null) {
      // Before the backend starts: a floor is one thread's.
      System.setProperty(BenchMain.THREADS, "1");
    }
    Backend backend = Backend.require("panama");
    System.out.printf(
        Locale.ROOT,
        "%nserving: %s, %d rows, %d adapters, r = %d, d_in = d_out = %d, F32, threads %s%n",
        backend.name(),
        ROWS,
        ROWS,
        RANK,
        FEATURES,
        System.getProperty(BenchMain.THREADS));
    System.out.printf(
        FORMAT,
        "method",
        "batch",
        "against",
        "us",
        "us",
        "ratio (quartiles)",
        "fastest",
        "goal",
        "verdict");
    for (Method method : new Method[] {Method.LORA, Method.AURORA}) {
      try (var measured = new ServingCase(backend, method, RANK, ROWS, FEATURES)) {
        compare(
            method,
            "64 rows of 64 adapters",
            "reading A and B",
            EACH_GOAL,
            Rounds.of(WARM_UP_SECONDS, SECONDS, measured::each, measured::floor));
        compare(
            method,
            "64 rows of one adapter",
            "the plain call",
            ONE_GOAL,
            Rounds.of(WARM_UP_SECONDS, SECONDS, measured::one, measured::plain));
        none(method, Rounds.of(1, 1, measured::none));
      }
    }
    System.out.println(
        "us: medians; ratio: median of the rounds' ratios, which the verdict is about; fastest:"
            + " ratio of the fastest rounds");
  }

  private static void compare(
      Method method, String what, String against, double goal, Rounds rounds) {
    double[] ratios = rounds.ratios(0, 1);
    System.out.printf(
        FORMAT,
        method,
        what,
        against,
        number(rounds.median(0) / 1e3, 1),
        number(rounds.median(1) / 1e3, 1),
        number(ratios[1], 3) + " (" + number(ratios[0], 3) + "-" + number(ratios[2], 3) + ")",
        number(rounds.fastest(0) / rounds.fastest(1), 3),
        "<= " + number(goal, 2),
        verdict(ratios[1] <= goal) + ", " + rounds.count() + " rounds");
  }

  private static void none(Method method, Rounds rounds) {
    double nanos = rounds.median(0);
    System.out.printf(
        FORMAT,
        method,
        "64 rows of none",
        "",
        number(nanos / 1e3, 4),
        "",
        "",
        "",
        "< " + number(NONE_GOAL_NANOS / 1e3, 1) + " us",
        verdict(nanos < NONE_GOAL_NANOS) + ", " + rounds.count() + " rounds");
  }

  private static String verdict(boolean met) {
    return met ? "met" : "not met";
  }

  private static String number(double value, int digits) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }
}
