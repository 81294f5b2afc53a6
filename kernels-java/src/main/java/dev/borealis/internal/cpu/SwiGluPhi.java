package dev.borealis.internal.cpu;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterWeights;
import java.lang.foreign.MemorySegment;

/** NoRA's SwiGLU variant: {@code u = SiLU(z1) ⊙ z2}; z1 is the block's upper half. */
final class SwiGluPhi extends Phi {
  SwiGluPhi(int rank) {
    super(rank);
  }

  @Override
  void pack(AdapterWeights weights) {
    // no parameters
  }

  @Override
  void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    long lower = z0 + rank * Block.ROW;
    Activations.forward(Activation.SILU, z, z0, u, u0, rank, width);
    for (int j = 0; j < rank; j++) {
      long uj = u0 + j * Block.ROW;
      Block.multiply(u, uj, z, lower + j * Block.ROW, u, uj, width);
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
    long half = rank * Block.ROW;
    for (int j = 0; j < rank; j++) {
      long row = j * Block.ROW;
      Block.multiply(g, g0 + row, z, z0 + half + row, dz, dz0 + row, width);
    }
    Activations.backward(Activation.SILU, z, z0, dz, dz0, dz, dz0, rank, width);
    Activations.forward(Activation.SILU, z, z0, dz, dz0 + half, rank, width);
    for (int j = 0; j < rank; j++) {
      long row = j * Block.ROW;
      Block.multiply(dz, dz0 + half + row, g, g0 + row, dz, dz0 + half + row, width);
    }
  }
}
