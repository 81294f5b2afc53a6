package dev.borealis.jmh;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times of pieces of work that took turns in one process: a short batch of each a round, in
 * alternating order. What disturbs the machine for longer than a round disturbs all pieces alike,
 * so the median of the rounds' ratios tells differences of a few per cent, which runs one after the
 * other don't.
 */
final class Rounds {
  private static final double BATCH_NANOS = 4e6;
  private static final int MIN_ROUNDS = 5;

  // By piece, then round.
  private final double[][] nanos;

  /**
   * Takes times that have been measured.
   *
   * @param nanos of one execution, by piece and round
   */
  Rounds(double[][] nanos) {
    this.nanos = nanos;
  }

  /**
   * Measures. Each batch begins with an execution that isn't timed, because the other pieces have
   * emptied the caches.
   *
   * @param warmUpSeconds spent on each piece before
   * @param seconds spent on each piece
   * @param pieces the work
   */
  static Rounds of(double warmUpSeconds, double seconds, Runnable... pieces) {
    int[] repeats = new int[pieces.length];
    for (int i = 0; i < pieces.length; i++) {
      long end = System.nanoTime() + (long) (warmUpSeconds * 1e9);
      double last;
      int count = 1;
      do {
        last = batch(pieces[i], count);
        count = (int) Math.clamp(BATCH_NANOS / last, 1, 1_000_000);
      } while (System.nanoTime() < end);
      repeats[i] = count;
    }
    List<double[]> rounds = new ArrayList<>();
    long end = System.nanoTime() + (long) (seconds * 1e9 * pieces.length);
    while (rounds.size() < MIN_ROUNDS || System.nanoTime() < end) {
      double[] round = new double[pieces.length];
      boolean forwards = rounds.size() % 2 == 0;
      for (int k = 0; k < pieces.length; k++) {
        int i = forwards ? k : pieces.length - 1 - k;
        round[i] = batch(pieces[i], repeats[i]);
      }
      rounds.add(round);
    }
    double[][] byPiece = new double[pieces.length][rounds.size()];
    for (int i = 0; i < pieces.length; i++) {
      for (int round = 0; round < rounds.size(); round++) {
        byPiece[i][round] = rounds.get(round)[i];
      }
    }
    return new Rounds(byPiece);
  }

  private static double batch(Runnable piece, int repeats) {
    piece.run();
    long start = System.nanoTime();
    for (int i = 0; i < repeats; i++) {
      piece.run();
    }
    return Math.max(1, System.nanoTime() - start) / (double) repeats;
  }

  /** {@return how many rounds there were} */
  int count() {
    return nanos[0].length;
  }

  /**
   * {@return nanoseconds of one execution, median over the rounds}
   *
   * @param piece its index
   */
  double median(int piece) {
    return quantiles(nanos[piece].clone())[1];
  }

  /**
   * {@return nanoseconds of one execution in the fastest round}
   *
   * @param piece its index
   */
  double fastest(int piece) {
    return Arrays.stream(nanos[piece]).min().orElseThrow();
  }

  /**
   * {@return lower quartile, median and upper quartile of the rounds' ratios}
   *
   * @param piece index of the numerator
   * @param base index of the denominator
   */
  double[] ratios(int piece, int base) {
    double[] ratios = new double[count()];
    for (int round = 0; round < ratios.length; round++) {
      ratios[round] = nanos[piece][round] / nanos[base][round];
    }
    return quantiles(ratios);
  }

  private static double[] quantiles(double[] values) {
    Arrays.sort(values);
    int last = values.length - 1;
    double median = (values[last / 2] + values[(last + 1) / 2]) / 2;
    return new double[] {values[last / 4], median, values[last - last / 4]};
  }
}
