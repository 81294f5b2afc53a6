package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.Capabilities;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The started backend {@code panama}: the worker pool and what is prepared on it. */
final class PanamaEngine implements BackendProvider.Engine {
  private static final String THREADS = "borealis.threads";
  private static final int MAX_THREADS = 256;

  private final int vectorBits;
  private final WorkerPool pool;

  PanamaEngine(int threads) {
    // First, because it fails on an illegal width, and the pool's threads never end.
    this.vectorBits = Species.F32.vectorBitSize();
    this.pool = new WorkerPool(threads);
  }

  static PanamaEngine start() {
    return new PanamaEngine(
        threads(System.getProperty(THREADS), Runtime.getRuntime().availableProcessors()));
  }

  /** {@return the number of threads that the property asks for, or one a processor} */
  static int threads(@Nullable String property, int processors) {
    if (property == null) {
      return Math.min(processors, MAX_THREADS);
    }
    int threads = 0;
    try {
      threads = Integer.parseInt(property);
    } catch (NumberFormatException e) {
      // reported below, like a number out of range
    }
    if (threads < 1 || threads > MAX_THREADS) {
      throw new IllegalStateException(
          THREADS + ": expected a number from 1 to " + MAX_THREADS + ", came " + property);
    }
    return threads;
  }

  @Override
  public Capabilities capabilities() {
    int threads = pool.threads();
    return new Capabilities(
        vectorBits, threads, "Vector API, " + vectorBits + " bits, " + threads + " threads");
  }

  @Override
  public AdapterKernel prepare(AdapterWeights weights) {
    return new PanamaAdapter(weights, pool);
  }

  @Override
  public LinearKernel prepareLinear(Tensor w0, @Nullable Tensor bias) {
    return new PanamaLinear(w0, bias, pool);
  }
}
