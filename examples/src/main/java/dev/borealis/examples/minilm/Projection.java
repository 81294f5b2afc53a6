package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/**
 * A linear layer, with whatever adapter is attached to it. Matrices are F32, row-major, dense; the
 * segments may be longer than {@code rows} needs.
 */
public interface Projection {

  /**
   * Computes {@code y = x Wᵀ + b}, plus the adapter's branch.
   *
   * @param x input {@code [rows, in]}
   * @param y output {@code [rows, out]}, overwritten
   * @param rows number of tokens
   */
  void forward(MemorySegment x, MemorySegment y, int rows);

  /**
   * Adds the gradient of the input to {@code dX}, and the adapter's parameter gradients wherever
   * the implementation gathers them. Follows a {@link #forward} in training with the same rows.
   *
   * @param x the input of that forward, unchanged {@code [rows, in]}
   * @param dY gradient of its output {@code [rows, out]}
   * @param dX gradient of its input {@code [rows, in]}, accumulated
   * @param rows number of tokens
   */
  void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows);

  /** Makes the projections of a model. */
  @FunctionalInterface
  interface Factory {
    /**
     * Makes one projection.
     *
     * @param layer index of the encoder layer
     * @param site where in the layer
     * @param weights its frozen parameters, alive as long as the model's arena
     * @return the projection; never shared between layers or sites
     */
    Projection create(int layer, Site site, LinearWeights weights);
  }
}
