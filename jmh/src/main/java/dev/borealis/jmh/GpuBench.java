package dev.borealis.jmh;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.ffm.Cublas;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.Graph;
import dev.borealis.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The CUDA kernels on a GPU, against a copy within its memory of as many bytes as a call has to
 * move, and LoRA's forward against cuBLAS. What is compared takes turns. Where there is no GPU, one
 * line says so.
 */
final class GpuBench {
  private static final int FEATURES = 4096;
  private static final List<Integer> TOKENS = List.of(1, 256, 4096);
  private static final int ROUNDS = 15;
  private static final double BATCH_NANOS = 5e6;
  private static final int WARM_UP = 5;
  private static final int RECORDED = 10;
  private static final int MOST = 1000;

  private record Regime(DType dtype, int tokens, int rank, Method method) {}

  private GpuBench() {}

  /**
   * Measures.
   *
   * @param tokens how many, several numbers; none: some that are usual
   */
  static void run(List<String> tokens) {
    Backend backend;
    try {
      backend = Backend.require("cuda");
    } catch (BackendUnavailableException e) {
      System.out.println("Skipped: " + e.getMessage());
      return;
    }
    Device device = Device.of(0);
    if (device.name().contains("not a GPU")) {
      System.out.println("Skipped: no times are taken on " + device.name());
      return;
    }
    System.out.println(backend.capabilities());
    Optional<String> problem = Cublas.unavailable();
    problem.ifPresent(reason -> System.out.println("Without cuBLAS: " + reason));
    System.out.println(
        "d = "
            + FEATURES
            + ", outputs added to; floor: a copy of as many bytes. Medians of "
            + ROUNDS);
    List<Integer> counts =
        tokens.isEmpty() ? TOKENS : tokens.stream().map(Integer::valueOf).toList();
    for (Regime regime : regimes(counts)) {
      boolean peer = problem.isEmpty() && regime.method() == Method.LORA;
      try (GpuCase gpu =
          new GpuCase(
              backend,
              regime.method(),
              regime.rank(),
              regime.tokens(),
              FEATURES,
              regime.dtype(),
              peer)) {
        measure(regime, gpu, peer);
      }
    }
  }

  private static List<Regime> regimes(List<Integer> counts) {
    List<Regime> regimes = new ArrayList<>();
    for (DType dtype : List.of(DType.BF16, DType.F32)) {
      for (int tokens : counts) {
        for (int rank : new int[] {16, 64, 512}) {
          for (Method method : List.of(Method.LORA, Method.AURORA)) {
            regimes.add(new Regime(dtype, tokens, rank, method));
          }
        }
      }
    }
    return regimes;
  }

  private static void measure(Regime regime, GpuCase gpu, boolean peer) {
    List<Runnable> pieces = new ArrayList<>();
    pieces.add(gpu::forward);
    pieces.add(() -> gpu.copy(gpu.forwardFloor()));
    pieces.add(gpu::backward);
    pieces.add(() -> gpu.copy(gpu.backwardFloor()));
    if (peer) {
      pieces.add(gpu::cublas);
    }
    gpu.nanos(gpu::forward, WARM_UP);
    double queued = gpu.nanos(gpu::forward, 20 * WARM_UP);
    Rounds rounds = rounds(gpu, pieces);
    String name =
        regime.dtype() + " n " + regime.tokens() + " r " + regime.rank() + " " + regime.method();
    System.out.printf(
        Locale.ROOT,
        "%-28s forward %8.1f us (%8.1f queued), %6.2f of the floor%s; backward %8.1f us, %6.2f of"
            + " the floor; both %8.1f us%n",
        name,
        rounds.median(0) / 1e3,
        queued / 1e3,
        rounds.ratios(0, 1)[1],
        peer ? String.format(Locale.ROOT, ", %5.2f of cuBLAS", rounds.ratios(0, 4)[1]) : "",
        rounds.median(2) / 1e3,
        rounds.ratios(2, 3)[1],
        (rounds.median(0) + rounds.median(2)) / 1e3);
  }

  /** Times of what takes turns, each recorded so that queueing it costs next to nothing. */
  private static Rounds rounds(GpuCase gpu, List<Runnable> pieces) {
    int[] counts = new int[pieces.size()];
    List<Graph> graphs = new ArrayList<>();
    for (int i = 0; i < counts.length; i++) {
      Graph graph = gpu.record(pieces.get(i), RECORDED);
      graphs.add(graph);
      gpu.nanos(() -> gpu.launch(graph), WARM_UP);
      double one = gpu.nanos(() -> gpu.launch(graph), WARM_UP);
      counts[i] = (int) Math.clamp(BATCH_NANOS / one, 1, MOST);
    }
    double[][] nanos = new double[counts.length][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      for (int i = 0; i < counts.length; i++) {
        Graph graph = graphs.get(i);
        nanos[i][round] = gpu.nanos(() -> gpu.launch(graph), counts[i]) / RECORDED;
      }
    }
    graphs.forEach(Graph::close);
    return new Rounds(nanos);
  }
}
