package dev.borealis.examples.minilm;

import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;

/** Splits independent work over the processors; the split never changes a result. */
final class Parallel {
  /** Work on the entries {@code from} (inclusive) to {@code to} (exclusive). */
  @FunctionalInterface
  interface Range {
    void run(int from, int to);
  }

  /** More parts than threads, so that uneven sentences still spread evenly. */
  private static final int PARTS = 4 * (ForkJoinPool.getCommonPoolParallelism() + 1);

  private Parallel() {}

  static void ranges(int count, Range work) {
    int parts = Math.min(PARTS, count);
    IntStream.range(0, parts)
        .parallel()
        .forEach(part ->
            work.run(
                (int) ((long) count * part / parts), (int) ((long) count * (part + 1) / parts)));
  }
}
