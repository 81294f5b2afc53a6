package dev.borealis.examples.encoder;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One adapter with all that training it takes.
 *
 * @param name where it is attached
 * @param weights its numbers
 * @param gradients of the last backward
 * @param adapter prepared from the weights
 * @param workspace for training; holds what backward needs
 */
public record AttachedAdapter(
    String name,
    AdapterWeights weights,
    AdapterGradients gradients,
    Adapter adapter,
    Workspace workspace)
    implements AutoCloseable {

  /** Prepares an adapter with the method's initial weights: B = 0. */
  static AttachedAdapter initialise(
      String name, AdapterSpec spec, long seed, int maxTokens, Backend backend, Arena arena) {
    AdapterWeights weights = AdapterWeights.initialise(spec, seed, arena);
    Adapter adapter = backend.prepare(weights);
    return new AttachedAdapter(
        name,
        weights,
        AdapterGradients.allocate(spec, arena),
        adapter,
        adapter.workspace(maxTokens, Mode.TRAINING, arena));
  }

  /**
   * Replaces the weights.
   *
   * @param source weights of an adapter of the same shapes
   */
  public void load(AdapterWeights source) {
    for (Parameter parameter : weights.parameters()) {
      MemorySegment from = source.get(parameter).segment();
      weights.get(parameter).segment().copyFrom(from);
    }
    weights.markChanged();
    adapter.repack();
  }

  /** Frees the packed weights; the rest is the arena's. */
  @Override
  public void close() {
    adapter.close();
  }
}
