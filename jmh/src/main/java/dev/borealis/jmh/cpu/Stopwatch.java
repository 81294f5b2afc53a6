package dev.borealis.jmh.cpu;

/**
 * Times short pieces of work by the best of many batches: on a machine that others use too, the
 * fastest batch is the one nobody disturbed. Only ratios of such times mean anything.
 */
final class Stopwatch {
  private static final double BATCH_NANOS = 500_000;
  private static final int MIN_ROUNDS = 5;

  private final double warmUpSeconds;
  private final double seconds;

  /**
   * Creates a stopwatch.
   *
   * @param warmUpSeconds spent on each piece before it is timed
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

  private void warmUp(Runnable piece) {
    long end = System.nanoTime() + (long) (warmUpSeconds * 1e9);
    do {
      piece.run();
    } while (System.nanoTime() < end);
  }

  private static double batch(Runnable piece, int repeats) {
    long start = System.nanoTime();
    for (int i = 0; i < repeats; i++) {
      piece.run();
    }
    return Math.max(1, System.nanoTime() - start) / (double) repeats;
  }
}
