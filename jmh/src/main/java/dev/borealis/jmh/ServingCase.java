package dev.borealis.jmh;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.serving.AdapterBatch;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A batch of one row an adapter, the same rows for one adapter, and for none. */
final class ServingCase implements AutoCloseable {
  final List<AdapterWeights> weights = new ArrayList<>();
  final Tensor x;
  final Tensor y;

  // Shared, so that a backend may use all its threads.
  private final Arena arena = Arena.ofShared();
  private final List<Adapter> adapters = new ArrayList<>();
  private final AdapterBatch each;
  private final AdapterBatch one;
  private final AdapterBatch none;
  private final Workspace plain;

  ServingCase(Backend backend, Method method, int rank, int rows, int features) {
    AdapterSpec spec = method.spec(features, rank);
    Random random = new Random(42);
    for (int i = 0; i < rows; i++) {
      AdapterWeights made = AdapterWeights.initialise(spec, i, arena);
      fill(made.get(Parameter.B), random, 0.02);
      weights.add(made);
      adapters.add(backend.prepare(made));
    }
    x = Tensor.allocate(arena, DType.F32, rows, features);
    y = Tensor.allocate(arena, DType.F32, rows, features);
    fill(x, random, 1);
    fill(y, random, 1);
    int[] numbers = new int[rows];
    one = batch(backend, numbers);
    Arrays.fill(numbers, -1);
    none = batch(backend, numbers);
    Arrays.setAll(numbers, row -> row);
    each = batch(backend, numbers);
    plain = adapters.getFirst().workspace(rows, Mode.INFERENCE, arena);
  }

  private AdapterBatch batch(Backend backend, int[] numbers) {
    AdapterBatch batch = new AdapterBatch(backend, numbers.length, adapters.size());
    batch.assignRows(adapters.size(), numbers, numbers.length);
    return batch;
  }

  private static void fill(Tensor tensor, Random random, double deviation) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) (random.nextGaussian() * deviation));
      }
    }
  }

  /** Each row through its own adapter. */
  void each() {
    each.forward(x, y, adapters);
  }

  /** All rows through the first adapter. */
  void one() {
    one.forward(x, y, adapters);
  }

  /** No row through any. */
  void none() {
    none.forward(x, y, adapters);
  }

  /** As {@link #one}, by the adapter's own call. */
  void plain() {
    adapters.getFirst().forward(x, y, plain);
  }

  /** Reads all A and B once: nothing that uses them can take less. */
  long floor() {
    long sum = 0;
    for (AdapterWeights made : weights) {
      sum += ReadFloor.sum(made.get(Parameter.A).segment());
      sum += ReadFloor.sum(made.get(Parameter.B).segment());
    }
    return sum;
  }

  @Override
  public void close() {
    adapters.forEach(Adapter::close);
    arena.close();
  }
}
