package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** MoSLoRA: {@code φ(Z) = Z Mᵀ}. */
final class MixerPhi extends Phi {
  private final MemorySegment mixer;

  MixerPhi(int rank, Arena arena) {
    super(rank);
    this.mixer = Scalars.allocate(arena, (long) rank * rank);
  }

  @Override
  void pack(AdapterWeights weights) {
    copy(weights.get(Parameter.MIXER), mixer);
  }

  @Override
  void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch) {
    BlockProducts.apply(mixer, 0, rank, rank, z, z0, u, u0, width, false);
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
    BlockProducts.applyTransposed(mixer, 0, rank, rank, rank, g, g0, dz, dz0, width, false);
    BlockProducts.addGradient(g, g0, rank, z, z0, rank, width, sums, s0, rank, scratch);
  }
}
