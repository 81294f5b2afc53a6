package dev.borealis.jmh;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;

/**
 * What a benchmark calls: one adapter with everything allocated, native, and a forward call for the
 * backward to follow. The benchmark's test looks at the same tensors.
 */
public final class AdapterCase implements AutoCloseable {
  final AdapterWeights weights;
  final AdapterGradients gradients;

  /** X [tokens, features]. */
  public final Tensor x;

  /** Y [tokens, features]. */
  public final Tensor y;

  /** The gradient by Y. */
  public final Tensor dY;

  /** The gradient by X. */
  public final Tensor dX;

  // Shared, so that a backend may use all its threads.
  private final Arena arena = Arena.ofShared();
  private final Adapter adapter;
  private final Workspace inference;
  private final Workspace training;

  AdapterCase(Backend backend, Method method, int rank, int tokens, int features) {
    this(backend, method, rank, tokens, features, DType.F32);
  }

  /**
   * Prepares an adapter.
   *
   * @param backend that computes
   * @param method of the adapter
   * @param rank of the adapter
   * @param tokens rows of X
   * @param features d_in and d_out
   * @param dtype of X, Y, dY and dX
   */
  public AdapterCase(
      Backend backend, Method method, int rank, int tokens, int features, DType dtype) {
    this(backend, method.spec(features, rank), tokens, dtype);
  }

  /**
   * Prepares an adapter of a square layer.
   *
   * @param backend that computes
   * @param spec of the adapter, d_in as d_out
   * @param tokens rows of X
   * @param dtype of X, Y, dY and dX
   */
  public AdapterCase(Backend backend, AdapterSpec spec, int tokens, DType dtype) {
    int features = spec.inFeatures();
    Random random = new Random(42);
    weights = AdapterWeights.initialise(spec, 42, arena);
    // Papers start with B = 0; numbers as after some training keep every path busy.
    fill(weights.get(Parameter.B), random, 0.02);
    gradients = AdapterGradients.allocate(spec, arena);
    x = random(random, dtype, tokens, features);
    y = random(random, dtype, tokens, features);
    dY = random(random, dtype, tokens, features);
    dX = random(random, dtype, tokens, features);
    adapter = backend.prepare(weights);
    inference = adapter.workspace(tokens, Mode.INFERENCE, arena);
    training = adapter.workspace(tokens, Mode.TRAINING, arena);
    Tensor ignored = Tensor.allocate(arena, dtype, tokens, features);
    adapter.forward(x, ignored, training);
  }

  private Tensor random(Random random, DType dtype, int rows, int columns) {
    Tensor tensor = Tensor.allocate(arena, dtype, rows, columns);
    fill(tensor, random, 1);
    return tensor;
  }

  private static void fill(Tensor tensor, Random random, double deviation) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) (random.nextGaussian() * deviation));
      }
    }
  }

  /** Adds the branch to Y. */
  public void forward() {
    adapter.forward(x, y, inference);
  }

  /** Adds to dX and to the gradients. */
  public void backward() {
    adapter.backward(x, dY, dX, gradients, training);
  }

  /** Frees everything. */
  @Override
  public void close() {
    adapter.close();
    arena.close();
  }
}
