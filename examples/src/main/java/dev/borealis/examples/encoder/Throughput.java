package dev.borealis.examples.encoder;

import dev.borealis.examples.minilm.TokenBatch;
import java.util.List;
import java.util.function.Consumer;
import me.tongfei.progressbar.ProgressBar;

/**
 * Speed of two encoders on the same batches in the same minute.
 *
 * @param ours tokens per second, median over the rounds
 * @param theirs tokens per second, median over the rounds
 * @param ratio median of the rounds' ratios ours / theirs
 * @param lowest smallest of the rounds' ratios
 * @param highest largest of the rounds' ratios
 */
record Throughput(double ours, double theirs, double ratio, double lowest, double highest) {
  private static final int WARM_UP = 2;
  private static final int ROUNDS = 7;

  /** Number of steps of the progress bar. */
  static final int STEPS = WARM_UP + ROUNDS;

  /** Lets the two take turns; who is first changes from round to round. */
  static Throughput measure(
      List<TokenBatch> batches,
      Consumer<TokenBatch> ours,
      Consumer<TokenBatch> theirs,
      ProgressBar progress) {
    double[] ourSpeeds = new double[ROUNDS];
    double[] theirSpeeds = new double[ROUNDS];
    double[] ratios = new double[ROUNDS];
    for (int round = -WARM_UP; round < ROUNDS; round++) {
      boolean weAreFirst = round % 2 == 0;
      double first = speed(batches, weAreFirst ? ours : theirs);
      double second = speed(batches, weAreFirst ? theirs : ours);
      if (round >= 0) {
        ourSpeeds[round] = weAreFirst ? first : second;
        theirSpeeds[round] = weAreFirst ? second : first;
        ratios[round] = ourSpeeds[round] / theirSpeeds[round];
      }
      progress.step();
    }
    double lowest = Double.POSITIVE_INFINITY;
    double highest = 0;
    for (double ratio : ratios) {
      lowest = Math.min(lowest, ratio);
      highest = Math.max(highest, ratio);
    }
    return new Throughput(
        Vectors.median(ourSpeeds),
        Vectors.median(theirSpeeds),
        Vectors.median(ratios),
        lowest,
        highest);
  }

  /** Tokens per second; padding doesn't count. */
  private static double speed(List<TokenBatch> batches, Consumer<TokenBatch> encoder) {
    long tokens = 0;
    long start = System.nanoTime();
    for (TokenBatch batch : batches) {
      encoder.accept(batch);
      tokens += batch.tokens();
    }
    return tokens * 1e9 / (System.nanoTime() - start);
  }
}
