package dev.borealis.jmh.cpu;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Locale;

/**
 * The first calls of a process: how slow they are with nothing compiled, against the scalar
 * backend, and after a warm-up. Every measurement needs a process of its own.
 */
final class ColdStart {
  private static final String MARK = "COLD ";
  private static final int FEATURES = 4096;
  private static final int TOKENS = 512;
  private static final int CALLS = 400;

  /** Runs a JVM with a main class and arguments; gives its output. */
  interface Fork {
    /**
     * Runs it to its end.
     *
     * @param main the class
     * @param arguments of the class
     * @return its output
     */
    List<String> run(Class<?> main, String... arguments) throws IOException, InterruptedException;
  }

  private record Figures(double warmUpSeconds, double firstNanos, double bestNanos) {}

  private ColdStart() {}

  /** {@return the rows of the table} */
  static List<Row> rows(Fork fork) throws IOException, InterruptedException {
    Figures scalar = measure(fork, "scalar", false);
    Figures cold = measure(fork, "panama", false);
    Figures warm = measure(fork, "panama", true);
    String what = "first call r=8 n=" + TOKENS + " d=" + FEATURES;
    String coldDetail =
        "scalar %.1f ms, cold %.1f ms".formatted(scalar.firstNanos / 1e6, cold.firstNanos / 1e6);
    String warmDetail =
        "warm-up %.1f s, first call after it %.2f ms, best %.2f ms"
            .formatted(warm.warmUpSeconds, warm.firstNanos / 1e6, warm.bestNanos / 1e6);
    return List.of(
        new Row(
            "cold start, over scalar",
            what,
            1,
            cold.firstNanos / scalar.firstNanos,
            1,
            false,
            0,
            coldDetail),
        new Row(
            "warmed up, over scalar",
            what,
            1,
            warm.firstNanos / scalar.firstNanos,
            1,
            false,
            0,
            warmDetail));
  }

  private static Figures measure(Fork fork, String backend, boolean warm)
      throws IOException, InterruptedException {
    for (String line : fork.run(ColdStart.class, backend, Boolean.toString(warm))) {
      if (line.startsWith(MARK)) {
        String[] figures = line.substring(MARK.length()).split(" ", -1);
        return new Figures(
            Double.parseDouble(figures[0]),
            Double.parseDouble(figures[1]),
            Double.parseDouble(figures[2]));
      }
    }
    throw new IllegalStateException(backend + ": the cold start printed no figures");
  }

  /**
   * Measures.
   *
   * @param args name of the backend; whether to warm up
   */
  public static void main(String[] args) {
    try (Arena arena = Arena.ofShared()) {
      AdapterSpec spec = AdapterSpec.lora(FEATURES, FEATURES, 8).build();
      AdapterWeights weights = AdapterWeights.initialise(spec, 42, arena);
      Tensor x = Tensor.allocate(arena, DType.F32, TOKENS, FEATURES);
      Tensor y = Tensor.allocate(arena, DType.F32, TOKENS, FEATURES);
      x.segment().fill((byte) 1);
      y.segment().fill((byte) 1);
      try (Adapter adapter = Backend.require(args[0]).prepare(weights)) {
        Workspace workspace = adapter.workspace(TOKENS, Mode.INFERENCE, arena);
        long start = System.nanoTime();
        if (Boolean.parseBoolean(args[1])
            && !adapter.warmUp(Mode.INFERENCE, DType.F32, DType.F32)) {
          throw new IllegalStateException("the warm-up did not end");
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        double first = 0;
        double best = Double.MAX_VALUE;
        for (int call = 0; call < CALLS; call++) {
          long begin = System.nanoTime();
          adapter.forward(x, y, workspace);
          double nanos = System.nanoTime() - begin;
          first = call == 0 ? nanos : first;
          best = Math.min(best, nanos);
        }
        System.out.printf(Locale.ROOT, "%s%.3f %.0f %.0f%n", MARK, seconds, first, best);
      }
    }
  }
}
