package dev.borealis.jmh.compare;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.Method;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The data of a case, native: an adapter as after some training, and batches of activations with
 * the same content at different addresses, so that calls in turn find theirs in memory, not in
 * cache.
 */
public final class Problem implements AutoCloseable {
  /** Period of the random numbers that activations are filled with; odd, so that rows differ. */
  private static final int PATTERN = 1_000_003;

  private static final MemorySegment SMALL = pattern(1, 0.02f);
  private static final MemorySegment ACTIVATIONS = pattern(2, 1);

  /**
   * Activations of a call.
   *
   * @param x X [n, d_in]
   * @param y Y [n, d_out]
   * @param dY the gradient by Y [n, d_out]
   * @param dX the gradient by X [n, d_in]
   */
  public record Batch(Tensor x, Tensor y, Tensor dY, Tensor dX) {}

  private final Arena arena = Arena.ofShared();
  private final Method method;
  private final AdapterWeights weights;
  private final int tokens;
  private final List<Batch> batches = new ArrayList<>();
  private final MemorySegment yStart;

  /**
   * Makes the data.
   *
   * @param method kind of adapter
   * @param layer the shape
   * @param rank r
   * @param tokens n
   * @param slots number of batches
   */
  public Problem(Method method, Layer layer, int rank, int tokens, int slots) {
    this.method = method;
    this.tokens = tokens;
    AdapterSpec spec = method.spec(layer.inFeatures(), layer.outFeatures(), rank);
    weights = AdapterWeights.initialise(spec, 42, arena);
    // Papers start with B = 0; numbers as after some training keep every path busy.
    fill(weights.get(Parameter.B), SMALL);
    MemorySegment pattern = ACTIVATIONS;
    for (int slot = 0; slot < slots; slot++) {
      Batch batch =
          new Batch(
              allocate(spec.inFeatures()),
              allocate(spec.outFeatures()),
              allocate(spec.outFeatures()),
              allocate(spec.inFeatures()));
      fill(batch.x, pattern);
      fill(batch.y, pattern.asSlice(4));
      fill(batch.dY, pattern.asSlice(8));
      batches.add(batch);
    }
    yStart = pattern.asSlice(4);
  }

  private Tensor allocate(int columns) {
    return Tensor.allocate(arena, DType.F32, tokens, columns);
  }

  private static MemorySegment pattern(long seed, float bound) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[PATTERN];
    for (int i = 0; i < PATTERN; i++) {
      values[i] = (float) random.nextDouble(-bound, bound);
    }
    return MemorySegment.ofArray(values);
  }

  /** Fills a dense tensor with as many copies as it takes. */
  private static void fill(Tensor tensor, MemorySegment pattern) {
    MemorySegment target = tensor.segment();
    for (long at = 0; at < target.byteSize(); at += pattern.byteSize()) {
      MemorySegment.copy(
          pattern, 0, target, at, Math.min(pattern.byteSize(), target.byteSize() - at));
    }
  }

  /** {@return the kind of adapter} */
  public Method method() {
    return method;
  }

  /** {@return the adapter's specification} */
  public AdapterSpec spec() {
    return weights.spec();
  }

  /** {@return the adapter's weights} */
  public AdapterWeights weights() {
    return weights;
  }

  /** {@return n} */
  public int tokens() {
    return tokens;
  }

  /** {@return the number of batches} */
  public int slots() {
    return batches.size();
  }

  /**
   * {@return a batch}
   *
   * @param slot 0 to {@link #slots()} − 1
   */
  public Batch batch(int slot) {
    return batches.get(slot);
  }

  /** Sets Y of slot 0 to its start, and its dX to 0. */
  public void resetActivations() {
    fill(batches.getFirst().y, yStart);
    batches.getFirst().dX.segment().fill((byte) 0);
  }

  /** {@return the start of Y, for contenders with memory of their own} */
  public float[] yStart() {
    Tensor copy = Tensor.allocate(Arena.ofAuto(), DType.F32, tokens, spec().outFeatures());
    fill(copy, yStart);
    return floats(copy);
  }

  /**
   * Copies a tensor.
   *
   * @param tensor dense, F32
   * @return its elements
   */
  public static float[] floats(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_FLOAT);
  }

  /** Frees everything. */
  @Override
  public void close() {
    arena.close();
  }
}
