package dev.borealis.examples.finetune;

import dev.borealis.adapter.SplineMode;
import dev.borealis.examples.encoder.Threads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * All runs of the comparison, the most telling first. A run whose result is on disk is not
 * repeated, and one that was stopped goes on where it was: start it again until it is done.
 */
public final class Table {
  private static final List<AdapterKind> KINDS =
      List.of(
          kind(AdapterKind.Method.AURORA, 2, SplineMode.SUM),
          kind(AdapterKind.Method.LORA, 2, SplineMode.SUM),
          kind(AdapterKind.Method.NORA, 8, SplineMode.SUM),
          kind(AdapterKind.Method.LORA, 8, SplineMode.SUM),
          kind(AdapterKind.Method.AURORA, 8, SplineMode.SUM),
          kind(AdapterKind.Method.NORA, 2, SplineMode.SUM),
          kind(AdapterKind.Method.AURORA, 2, SplineMode.CHANNEL),
          kind(AdapterKind.Method.AURORA, 1, SplineMode.SUM),
          kind(AdapterKind.Method.LORA, 1, SplineMode.SUM),
          kind(AdapterKind.Method.NOLORA, 8, SplineMode.SUM));

  /** For {@link PairsTask}. */
  static final List<AdapterKind> PAIR_KINDS =
      List.of(
          kind(AdapterKind.Method.LORA, 2, SplineMode.SUM),
          kind(AdapterKind.Method.LORA, 16, SplineMode.SUM),
          kind(AdapterKind.Method.LORA, 64, SplineMode.SUM),
          kind(AdapterKind.Method.AURORA, 16, SplineMode.SUM),
          kind(AdapterKind.Method.NORA, 16, SplineMode.SUM),
          kind(AdapterKind.Method.NOLORA, 16, SplineMode.SUM));

  /** Of the probe and the pairs, which take seconds. */
  static final List<Long> SEEDS = List.of(0L, 1L);

  private static final int REPEATED = 2;

  private Table() {}

  private static AdapterKind kind(AdapterKind.Method method, int rank, SplineMode spline) {
    return new AdapterKind(method, rank, spline);
  }

  /**
   * The runs, in order: seed 0 of all, then seed 1 of the first two, to see what a seed is worth.
   */
  static List<Options> runs(Path out) {
    return Stream.concat(
            KINDS.stream().map(kind -> Options.recipe(kind, 0, out)),
            KINDS.stream().limit(REPEATED).map(kind -> Options.recipe(kind, 1, out)))
        .toList();
  }

  /** What doesn't need the encoder but its frozen embeddings. */
  private static void onEmbeddings(Workbench bench, Path out) throws IOException {
    FrozenEmbeddings embeddings = FrozenEmbeddings.of(bench, out);
    for (long seed : SEEDS) {
      Path file = out.resolve(LinearProbe.FILE.formatted(seed));
      if (!Files.exists(file)) {
        RunResult result = LinearProbe.train(bench, embeddings, seed);
        JsonFiles.write(file, result);
        System.out.printf("%s: %.2f %%%n", file, result.accuracy());
      }
    }
    try (Arena arena = Arena.ofShared()) {
      PairsTask task = new PairsTask(bench, embeddings, arena);
      for (long seed : SEEDS) {
        for (AdapterKind kind : PAIR_KINDS) {
          Path file = out.resolve(PairsTask.FILE.formatted(kind.slug(), seed));
          if (!Files.exists(file)) {
            PairsTask.Result result = task.run(kind, seed);
            JsonFiles.write(file, result);
            System.out.printf(
                "%s: %.2f %% %s%n",
                file, 100.0 * result.correct() / result.testPairs(), result.merges());
          }
        }
      }
    }
  }

  /** Trains and analyses what is missing. */
  public static void run() {
    Threads.limit();
    Path out = Options.path("out");
    try (Workbench bench = Workbench.open()) {
      onEmbeddings(bench, out);
      for (Options options : runs(out)) {
        try (TrainingRun run = new TrainingRun(bench, options, options.seeds().getFirst())) {
          Path result = run.folder().resolve(RunResult.FILE);
          if (!Files.exists(result)) {
            System.out.printf("%s: %.2f %%%n", run.folder(), run.complete().accuracy());
          }
        }
        Analysis.complete(bench, options, options.seeds().getFirst());
      }
    } catch (StoppedException e) {
      System.out.println(e.getMessage());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
