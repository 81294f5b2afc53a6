package dev.borealis.examples.finetune;

import dev.borealis.examples.encoder.Threads;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Trains one kind of adapter on WordNet's glosses, for one or more seeds. */
public final class FinetuneDemo {
  private FinetuneDemo() {}

  /**
   * Runs with the options given as system properties.
   *
   * @throws dev.borealis.examples.CheckFailedException if reloaded adapters predict otherwise
   */
  public static void run() {
    long start = System.nanoTime();
    int threads = Threads.limit();
    Options options = Options.read();
    try (Workbench bench = Workbench.open()) {
      System.out.printf(
          "Fine-tuning all-MiniLM-L6-v2 on WordNet's glosses, backend %s, %d threads%n",
          bench.backend(), threads);
      for (long seed : options.seeds()) {
        try (TrainingRun run = new TrainingRun(bench, options, seed)) {
          System.out.printf(
              "%n%s, rank %d, seed %d: %,d adapter parameters%n",
              options.kind().title(), options.kind().rank(), seed, run.adapters().parameters());
          long trainingStart = System.nanoTime();
          RunResult result = run.complete();
          JsonFiles.write(
              options.out().resolve(Timing.FILE),
              new Timing(
                  options.slug(seed),
                  threads,
                  seconds(trainingStart, System.nanoTime()),
                  seconds(start, System.nanoTime()),
                  result.trainTokens(),
                  result.commit()));
          System.out.printf(
              "  loss %.3f -> %.3f%n  test accuracy %.2f %% ± %.2f (%d of %d)%n"
                  + "  saved to %s, reloaded: the same logits to the bit%n",
              result.losses().getFirst(),
              result.losses().getLast(),
              result.accuracy(),
              Evaluation.standardError(result.accuracy(), result.testExamples()),
              result.correct(),
              result.testExamples(),
              run.folder());
        }
      }
    } catch (StoppedException e) {
      System.out.println(e.getMessage());
      return;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    System.out.printf("Done in %.0f s.%n", seconds(start, System.nanoTime()));
  }

  private static double seconds(long from, long to) {
    return (to - from) / 1e9;
  }
}
