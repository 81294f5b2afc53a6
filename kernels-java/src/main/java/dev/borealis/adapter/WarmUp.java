package dev.borealis.adapter;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/**
 * Calls an adapter on memory of its own until the JIT has compiled what calls use. Kernels have a
 * method for every height of a tile, so the calls have every small number of tokens, and one that
 * makes several blocks.
 *
 * <p>A vector in code that isn't compiled is an object: what tells that everything is compiled is
 * that calls allocate nothing any more.
 */
final class WarmUp {
  private static final int[] TOKENS = {1, 2, 3, 4, 5, 6, 7, 8, 48, 100};

  // Rounds without an allocation, so that scalar code around the kernels, which allocates in no
  // tier, has its time too.
  private static final int QUIET_ROUNDS = 100;
  private static final long MAX_NANOS = 60_000_000_000L;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private final Adapter adapter;
  // A slice for every number of tokens, made once, because slices are objects too.
  private final Tensor[] x = new Tensor[TOKENS.length];
  private final Tensor[] y = new Tensor[TOKENS.length];
  private final Tensor[] dX = new Tensor[TOKENS.length];
  private final Workspace workspace;
  private final AdapterGradients gradients;
  private final CallOptions add;
  private final CallOptions overwrite;

  private WarmUp(Adapter adapter, Mode mode, DType xType, DType yType, Arena arena) {
    AdapterSpec spec = adapter.spec();
    this.adapter = adapter;
    int most = TOKENS[TOKENS.length - 1];
    Tensor allX = Tensor.allocate(arena, xType, most, spec.inFeatures());
    Tensor allY = Tensor.allocate(arena, yType, most, spec.outFeatures());
    Tensor allDx = Tensor.allocate(arena, yType, most, spec.inFeatures());
    for (int i = 0; i < TOKENS.length; i++) {
      x[i] = allX.rowSlice(0, TOKENS[i]);
      y[i] = allY.rowSlice(0, TOKENS[i]);
      dX[i] = allDx.rowSlice(0, TOKENS[i]);
    }
    this.workspace = adapter.workspace(most, mode, arena);
    this.gradients = AdapterGradients.allocate(spec, arena);
    this.add = CallOptions.of(spec);
    this.overwrite = add.withOutput(Update.OVERWRITE);
  }

  /** {@return whether calls allocate nothing any more} */
  static boolean run(Adapter adapter, Mode mode, DType xType, DType yType) {
    // Shared, so that the backend's threads take part.
    try (Arena arena = Arena.ofShared()) {
      return new WarmUp(adapter, mode, xType, yType, arena).run();
    }
  }

  private boolean run() {
    long start = System.nanoTime();
    for (int quiet = 0; quiet < QUIET_ROUNDS; ) {
      long before = allocatedBytes();
      for (int i = 0; i < TOKENS.length; i++) {
        call(i);
      }
      quiet = allocatedBytes() == before ? quiet + 1 : 0;
      if (System.nanoTime() - start > MAX_NANOS) {
        return false;
      }
    }
    return true;
  }

  private void call(int i) {
    adapter.forward(x[i], y[i], overwrite, workspace);
    adapter.forward(x[i], y[i], add, workspace);
    if (workspace.mode() == Mode.TRAINING) {
      adapter.backward(x[i], y[i], dX[i], gradients, GradientOptions.OVERWRITE, workspace);
      adapter.backward(x[i], y[i], dX[i], gradients, GradientOptions.ACCUMULATE, workspace);
    }
  }

  private static long allocatedBytes() {
    // Other JVMs than HotSpot needn't count; the least number of rounds is what there is then.
    return THREADS instanceof com.sun.management.ThreadMXBean counting
        ? counting.getCurrentThreadAllocatedBytes()
        : 0;
  }
}
