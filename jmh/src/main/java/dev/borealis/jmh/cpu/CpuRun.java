package dev.borealis.jmh.cpu;

import com.sun.management.ThreadMXBean;
import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.backend.Backend;
import dev.borealis.jmh.AdapterCase;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.peer.Mkl;
import dev.borealis.jmh.peer.PeerUnavailableException;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Measures every regime with the number of threads that {@code -Dborealis.threads} gives this
 * process, and prints {@link Row}s for {@link CpuBench}.
 */
final class CpuRun {
  private static final long ALLOCATION_NANOS = 10_000_000_000L;
  private static final int[] WIDTHS = {768, 4096, 11008};
  private static final int LARGE = 4096;

  private final Stopwatch stopwatch = new Stopwatch(1, 0.4);
  private final int threads = Integer.getInteger("borealis.threads", 1);
  private final Backend backend = Backend.require("panama");
  private final Team team = new Team(threads);
  private final @Nullable Mkl mkl = mkl(threads);

  private CpuRun() {}

  private static @Nullable Mkl mkl(int threads) {
    try {
      return Mkl.load(threads);
    } catch (PeerUnavailableException e) {
      System.out.println("Without MKL: " + e.getMessage());
      return null;
    }
  }

  /**
   * Runs.
   *
   * @param args none
   */
  public static void main(String[] args) {
    // Threads inherit the processors of who starts them: with helpers, nobody is pinned.
    boolean pinned = Integer.getInteger("borealis.threads", 1) == 1 && Affinity.pin(0);
    System.out.println("backend " + backend() + (pinned ? ", caller pinned" : ", not pinned"));
    new CpuRun().run();
  }

  private static Backend backend() {
    return Backend.require("panama");
  }

  private void run() {
    System.out.printf(
        Locale.ROOT, "FMA peak of all threads %.1f GFLOP/s%n", peak(stopwatch.time(this::fma)[0]));
    for (int features : WIDTHS) {
      forward("forward, r 2 and 4", 2, 512, features, 0.92);
      forward("forward, r 2 and 4", 4, 512, features, 0.92);
      forward("forward, r 8 and 16", 8, 512, features, 0.85);
      forward("forward, r 8 and 16", 16, 512, features, 0.85);
      for (int rank : new int[] {2, 4, 8, 16}) {
        backward("backward, r <= 16", rank, 512, features, 0.80);
      }
    }
    for (int features : new int[] {768, LARGE}) {
      for (int tokens : new int[] {8, 64}) {
        forward("forward, few tokens", 4, tokens, features, 0.75);
        forward("forward, few tokens", 16, tokens, features, 0.75);
      }
    }
    decode();
    for (int rank : new int[] {64, 128, 256, 512}) {
      forward("r >= 64", rank, 512, LARGE, 0.90);
      backward("r >= 64", rank, 512, LARGE, 0.90);
    }
    for (int[] shape : new int[][] {{64, 768}, {512, 768}, {64, LARGE}, {512, LARGE}}) {
      linear(shape[0], shape[1]);
    }
    for (int features : new int[] {768, LARGE}) {
      for (int rank : new int[] {2, 16}) {
        nonlinearity(Method.AURORA, rank, features);
        nonlinearity(Method.NORA, rank, features);
      }
    }
    for (Activation f :
        List.of(
            Activation.TANH,
            Activation.SIGMOID,
            Activation.SILU,
            Activation.GELU,
            Activation.GELU_TANH)) {
      function(f.name(), builder -> builder.nonlinearity(new Nonlinearity.Pointwise(f)));
    }
    Nonlinearity spline =
        new Nonlinearity.Aurora(Activation.TANH, false, true, SplineMode.SUM, SplineGrid.DEFAULT);
    function("SUM spline, all bases", builder -> builder.nonlinearity(spline));
    narrow(DType.BF16, 1.6);
    narrow(DType.F16, 1.0);
    allocation();
    team.close();
  }

  /** What all threads can multiply and add. */
  private void fma() {
    team.run(part -> Limits.peak());
  }

  /** GFLOP/s of {@link #fma} in so many nanoseconds. */
  private double peak(double nanos) {
    return Limits.PEAK_FLOPS * threads / nanos;
  }

  /**
   * Everything of a shape that is timed: the adapter's call, the floor of the same tensors, and the
   * FMA peak, which changes with the clock's frequency and with what other guests do.
   */
  private double[] timed(AdapterCase adapter, boolean backward) {
    Runnable call = backward ? adapter::backward : adapter::forward;
    Runnable floor =
        backward
            ? () ->
                team.run(part -> {
                  Limits.read(part(adapter.x, part));
                  Limits.read(part(adapter.dY, part));
                  Limits.update(part(adapter.dX, part));
                })
            : () ->
                team.run(part -> {
                  Limits.read(part(adapter.x, part));
                  Limits.update(part(adapter.y, part));
                });
    return stopwatch.time(call, floor, this::fma);
  }

  /** A thread's share of a tensor, in whole blocks of vectors. */
  private MemorySegment part(Tensor tensor, int part) {
    MemorySegment all = tensor.segment();
    long share = all.byteSize() / threads / 1024 * 1024;
    long from = part * share;
    long to = part == threads - 1 ? all.byteSize() : from + share;
    return all.asSlice(from, to - from);
  }

  private void forward(String regime, int rank, int tokens, int features, double goal) {
    try (AdapterCase adapter =
        new AdapterCase(backend, Method.LORA, rank, tokens, features, DType.F32)) {
      double flops = 4.0 * tokens * features * rank;
      efficiency(regime, "forward", rank, tokens, features, timed(adapter, false), flops, goal);
    }
  }

  private void backward(String regime, int rank, int tokens, int features, double goal) {
    try (AdapterCase adapter =
        new AdapterCase(backend, Method.LORA, rank, tokens, features, DType.F32)) {
      double flops = 8.0 * tokens * features * rank;
      efficiency(regime, "backward", rank, tokens, features, timed(adapter, true), flops, goal);
    }
  }

  private void efficiency(
      String regime,
      String call,
      int rank,
      int tokens,
      int features,
      double[] time,
      double flops,
      double goal) {
    double arithmetic = flops / peak(time[2]);
    row(
        regime,
        call + " r=" + rank + " n=" + tokens + " d=" + features,
        Math.max(time[1], arithmetic) / time[0],
        goal,
        true,
        time[0],
        times("call", time[0], "traffic", time[1], "arithmetic", arithmetic));
  }

  /** One token: A and B must come from where they lie, here L2. */
  private void decode() {
    int rank = 8;
    try (AdapterCase adapter = new AdapterCase(backend, Method.LORA, rank, 1, LARGE, DType.F32);
        Arena arena = Arena.ofShared()) {
      MemorySegment weights = arena.allocate(2L * rank * LARGE * 4, 64);
      double[] time =
          stopwatch.time(
              adapter::forward,
              () -> {
                Limits.read(weights);
                Limits.read(adapter.x.segment());
                Limits.update(adapter.y.segment());
              });
      row(
          "decode, time over reading A, B",
          "forward r=8 n=1 d=" + LARGE,
          time[0] / time[1],
          1.15,
          false,
          time[0],
          times("call", time[0], "reading", time[1]));
    }
  }

  /** Against MKL's sgemm where it is to be had (profile bench), and else against the FMA peak. */
  private void linear(int tokens, int features) {
    try (Arena arena = Arena.ofShared()) {
      Tensor w0 = Tensor.allocate(arena, DType.F32, features, features);
      Tensor x = Tensor.allocate(arena, DType.F32, tokens, features);
      Tensor y = Tensor.allocate(arena, DType.F32, tokens, features);
      w0.segment().fill((byte) 1);
      x.segment().fill((byte) 1);
      String what = "linear n=" + tokens + " d=" + features;
      double flops = 2.0 * tokens * features * features;
      Mkl library = mkl;
      try (Linear linear = backend.prepareLinear(w0, null)) {
        Runnable ours = () -> linear.forward(x, y);
        if (library == null) {
          double[] time = stopwatch.time(ours, this::fma);
          double arithmetic = flops / peak(time[1]);
          String detail = times("call", time[0], "arithmetic", arithmetic);
          row("base layer, of FMA peak", what, arithmetic / time[0], 0.90, true, time[0], detail);
          return;
        }
        MemorySegment in = x.segment();
        MemorySegment w = w0.segment();
        MemorySegment out = y.segment();
        int d = features;
        double[] time =
            stopwatch.time(
                ours,
                () -> library.sgemm(false, true, tokens, d, d, 1, in, d, w, d, 0, out, d),
                this::fma);
        double arithmetic = flops / peak(time[2]);
        String detail = times("call", time[0], "MKL", time[1], "arithmetic", arithmetic);
        row("base layer, over MKL", what, time[1] / time[0], 0.95, true, time[0], detail);
      }
    }
  }

  private void nonlinearity(Method method, int rank, int features) {
    try (AdapterCase linear =
            new AdapterCase(backend, Method.LORA, rank, 512, features, DType.F32);
        AdapterCase other = new AdapterCase(backend, method, rank, 512, features, DType.F32)) {
      double[] forward = stopwatch.time(other::forward, linear::forward);
      String what = method + " r=" + rank + " n=512 d=" + features;
      row(
          "nonlinearity over LoRA",
          what,
          forward[0] / forward[1],
          1.05,
          false,
          forward[0],
          times("call", forward[0], "LoRA", forward[1]));
    }
  }

  /** What a call takes longer than LoRA's, by the elements of Z: exp is what most of them are. */
  private void function(String what, UnaryOperator<AdapterSpec.Builder> nonlinearity) {
    int rank = 64;
    int features = 8;
    int tokens = 2048;
    AdapterSpec spec = nonlinearity.apply(AdapterSpec.lora(features, features, rank)).build();
    AdapterSpec lora = AdapterSpec.lora(features, features, rank).build();
    try (AdapterCase with = new AdapterCase(backend, spec, tokens, DType.F32);
        AdapterCase without = new AdapterCase(backend, lora, tokens, DType.F32)) {
      double[] time = stopwatch.time(with::forward, without::forward);
      double nanos = (time[0] - time[1]) * threads / tokens / rank;
      String detail = times("call", time[0], "LoRA", time[1]);
      row("function, ns an element", what, nanos, 0.5, false, 0, detail);
    }
  }

  private void narrow(DType dtype, double goal) {
    try (AdapterCase wide = new AdapterCase(backend, Method.LORA, 8, 512, LARGE, DType.F32);
        AdapterCase narrow = new AdapterCase(backend, Method.LORA, 8, 512, LARGE, dtype)) {
      double[] time = stopwatch.time(wide::forward, narrow::forward);
      row(
          "16-bit over F32",
          dtype + " forward r=8 n=512 d=" + LARGE,
          time[0] / time[1],
          goal,
          true,
          0,
          times("F32", time[0], dtype.name(), time[1]));
    }
  }

  /** Bytes a call, once the JIT is done with it: the best of many batches. */
  private void allocation() {
    ThreadMXBean threadBean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (Method method : Method.values()) {
      try (AdapterCase adapter = new AdapterCase(backend, method, 8, 512, 768, DType.F32)) {
        stopwatch.time(adapter::forward, adapter::backward);
        long least = Long.MAX_VALUE;
        long end = System.nanoTime() + ALLOCATION_NANOS;
        while (least > 0 && System.nanoTime() < end) {
          long before = threadBean.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 10; i++) {
            adapter.forward();
            adapter.backward();
          }
          least = Math.min(least, threadBean.getCurrentThreadAllocatedBytes() - before);
        }
        row("allocation, bytes a call", method + " r=8 n=512 d=768", least / 20.0, 0, false, 0, "");
      }
    }
  }

  private void row(
      String regime,
      String what,
      double value,
      double goal,
      boolean atLeast,
      double nanos,
      String detail) {
    System.out.println(
        new Row(regime, what, threads, value, goal, atLeast, nanos, detail).encode());
  }

  private static String times(Object... namesAndNanos) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < namesAndNanos.length; i += 2) {
      text.append(i == 0 ? "" : ", ")
          .append(
              String.format(
                  Locale.ROOT,
                  "%s %.1f us",
                  namesAndNanos[i],
                  (double) namesAndNanos[i + 1] / 1e3));
    }
    return text.toString();
  }
}
