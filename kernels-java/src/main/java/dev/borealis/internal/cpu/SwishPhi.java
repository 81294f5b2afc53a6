package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** NoLoRA's default: {@code z · sigmoid(βz)} with one β a rank unit. */
final class SwishPhi extends Phi {
  private final float[] beta;

  SwishPhi(int rank) {
    super(rank);
    this.beta = new float[rank];
  }

  @Override
  void pack(AdapterWeights weights) {
    Tensor from = weights.get(Parameter.BETA);
    for (int j = 0; j < rank; j++) {
      beta[j] = from.get(0, j);
    }
  }

  @Override
  void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    for (int j = 0; j < rank; j++) {
      Elementwise.swish(beta[j], z, z0 + j * Block.ROW, u, u0 + j * Block.ROW, width);
    }
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
    for (int j = 0; j < rank; j++) {
      long zj = z0 + j * Block.ROW;
      long gj = g0 + j * Block.ROW;
      long to = dz0 + j * Block.ROW;
      // dz first holds the terms of dβ, whose sum is all that is needed of them.
      Elementwise.swishBetaBackward(beta[j], z, zj, g, gj, dz, to, width);
      Block.addSum(dz, to, width, sums, s0 + j * 4L);
      Elementwise.swishBackward(beta[j], z, zj, g, gj, dz, to, width);
    }
  }
}
