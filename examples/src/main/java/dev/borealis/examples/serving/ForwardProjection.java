package dev.borealis.examples.serving;

import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** A base layer, and then whatever a branch adds to its output. Forward only. */
final class ForwardProjection implements Projection {
  /** Adds to the base layer's output. */
  @FunctionalInterface
  interface Branch {
    /**
     * Adds to y.
     *
     * @param x [n, d_in]
     * @param y [n, d_out]
     */
    void addTo(Tensor x, Tensor y);
  }

  private final Projection base;
  private final LinearWeights shape;
  private final Branch branch;

  ForwardProjection(Projection base, LinearWeights shape, Branch branch) {
    this.base = base;
    this.shape = shape;
    this.branch = branch;
  }

  @Override
  public void forward(MemorySegment x, MemorySegment y, int rows) {
    base.forward(x, y, rows);
    branch.addTo(
        Tensor.of(x, DType.F32, rows, shape.in()), Tensor.of(y, DType.F32, rows, shape.out()));
  }

  @Override
  public void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows) {
    throw new UnsupportedOperationException("serving has no backward");
  }
}
