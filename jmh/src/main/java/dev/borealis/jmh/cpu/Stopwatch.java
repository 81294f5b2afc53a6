package dev.borealis.jmh.cpu;

import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;

/**
 * Times short pieces of work by the best of many batches: on a machine that others use too, the
 * fastest batch is the one nobody disturbed. Only ratios of such times mean anything.
 */
final class Stopwatch {
  private static final double BATCH_NANOS = 500_000;
  private static final int MIN_ROUNDS = 5;
  // A compiled kernel may be in the making for so long. The compiler also takes the second
  // processor from the kernels.
  private static final long QUIET_NANOS = 1_000_000_000L;
  private static final long MAX_WARM_UP_NANOS = 10_000_000_000L;

  private final double warmUpSeconds;
  private final double seconds;

  /**
   * Creates a stopwatch.
   *
   * @param warmUpSeconds spent on each piece before it is timed, at least
   * @param seconds spent on timing each piece
   */
  Stopwatch(double warmUpSeconds, double seconds) {
    this.warmUpSeconds = warmUpSeconds;
    this.seconds = seconds;
  }

  /**
   * Times pieces in turn, a batch of each a round, so that a slow phase of the machine meets all.
   *
   * @param pieces the work
   * @return nanoseconds of one execution of each piece
   */
  double[] time(Runnable... pieces) {
    int[] repeats = new int[pieces.length];
    double[] best = new double[pieces.length];
    for (int i = 0; i < pieces.length; i++) {
      warmUp(pieces[i]);
      repeats[i] = (int) Math.clamp(BATCH_NANOS / batch(pieces[i], 1), 1, 1_000_000);
      best[i] = Double.MAX_VALUE;
    }
    long end = System.nanoTime() + (long) (seconds * 1e9 * pieces.length);
    for (int round = 0; round < MIN_ROUNDS || System.nanoTime() < end; round++) {
      for (int i = 0; i < pieces.length; i++) {
        best[i] = Math.min(best[i], batch(pieces[i], repeats[i]));
      }
    }
    return best;
  }

  /** Runs a piece for a while, and on until the JIT has had nothing to compile for some time. */
  private void warmUp(Runnable piece) {
    CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
    long compiled = 0;
    long start = System.nanoTime();
    long quietSince = start;
    long now;
    do {
      piece.run();
      now = System.nanoTime();
      if (compiler.getTotalCompilationTime() != compiled) {
        compiled = compiler.getTotalCompilationTime();
        quietSince = now;
      }
    } while (now - start < warmUpSeconds * 1e9
        || (now - quietSince < QUIET_NANOS && now - start < MAX_WARM_UP_NANOS));
  }

  private static double batch(Runnable piece, int repeats) {
    long start = System.nanoTime();
    for (int i = 0; i < repeats; i++) {
      piece.run();
    }
    return Math.max(1, System.nanoTime() - start) / (double) repeats;
  }
}
