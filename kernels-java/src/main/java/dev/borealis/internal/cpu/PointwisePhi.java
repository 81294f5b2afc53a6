package dev.borealis.internal.cpu;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterWeights;
import java.lang.foreign.MemorySegment;

/** LoRA (identity), NoRA (SiLU) and NoLoRA with a fixed f. */
final class PointwisePhi extends Phi {
  private final Activation activation;

  PointwisePhi(int rank, Activation activation) {
    super(rank);
    this.activation = activation;
  }

  @Override
  boolean isIdentity() {
    return activation == Activation.IDENTITY;
  }

  @Override
  void pack(AdapterWeights weights) {
    // no parameters
  }

  @Override
  void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    Activations.forward(activation, z, z0, u, u0, rank, width);
  }

  @Override
  void backward(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch) {
    Activations.backward(activation, z, z0, g, g0, dz, dz0, rank, width);
  }
}
