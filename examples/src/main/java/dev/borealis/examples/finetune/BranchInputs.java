package dev.borealis.examples.finetune;

import dev.borealis.examples.encoder.AdapterSet;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.examples.minilm.Site;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Projections that show what goes into every adapter, forward only. */
final class BranchInputs implements Projection.Factory {
  private final Projection.Factory projections;
  private final AdapterSet adapters;
  private final Sink sink;

  /** Takes the input of an adapter. */
  @FunctionalInterface
  interface Sink {
    /**
     * Takes one call's input.
     *
     * @param adapter which
     * @param x its input [tokens, in], valid until the call is over
     */
    void accept(AttachedAdapter adapter, Tensor x);
  }

  BranchInputs(Projection.Factory projections, AdapterSet adapters, Sink sink) {
    this.projections = projections;
    this.adapters = adapters;
    this.sink = sink;
  }

  @Override
  public Projection create(int layer, Site site, LinearWeights weights) {
    Projection projection = projections.create(layer, site, weights);
    AttachedAdapter attached = adapters.at(layer, site);
    if (attached == null) {
      return projection;
    }
    return new Projection() {
      @Override
      public void forward(MemorySegment x, MemorySegment y, int rows) {
        projection.forward(x, y, rows);
        sink.accept(attached, Tensor.of(x, DType.F32, rows, weights.in()));
      }

      @Override
      public void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows) {
        throw new UnsupportedOperationException("shows inputs of forward calls only");
      }
    };
  }
}
