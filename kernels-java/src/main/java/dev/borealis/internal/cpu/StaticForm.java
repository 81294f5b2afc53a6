package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * AuroRA-S: φ acts on the columns of A, which makes A's columns the tokens of a block. Forward,
 * once a packing: {@code SA = σ(A)}. Backward: dSA, which the pipeline computed as LoRA's dA,
 * becomes dA and the gradients of φ's parameters.
 */
final class StaticForm {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final Phi phi;
  private final int rank;
  private final int columns;
  // Blocks of A's columns.
  private final MemorySegment a;

  StaticForm(AdapterSpec spec, Arena arena) {
    this.phi = Phi.of(spec, arena);
    this.rank = spec.rank();
    this.columns = spec.inFeatures();
    this.a = arena.allocate((long) Block.count(columns) * rank * Block.ROW, 64);
  }

  /** Takes over A and packs σ(A). */
  void pack(AdapterWeights weights, Packed staticA) {
    phi.pack(weights);
    ThreadScratch own = ThreadScratch.current();
    MemorySegment u = own.get(ThreadScratch.Slot.U, (long) rank * Block.TOKENS);
    Tensor from = weights.get(Parameter.A);
    for (int block = 0; block < Block.count(columns); block++) {
      int column = block * Block.TOKENS;
      int count = Math.min(Block.TOKENS, columns - column);
      long a0 = (long) block * rank * Block.ROW;
      Block.clearTail(a, a0, rank, count);
      for (int j = 0; j < rank; j++) {
        for (int i = 0; i < count; i++) {
          a.set(F, a0 + j * Block.ROW + i * 4L, from.get(j, column + i));
        }
      }
      phi.forward(a, a0, u, 0, Block.width(count), own);
      for (int j = 0; j < rank; j++) {
        for (int i = 0; i < count; i++) {
          staticA.set(j, column + i, u.get(F, j * Block.ROW + i * 4L));
        }
      }
    }
  }

  /** From dSA in the scratch: writes dA, and adds the gradients of φ's parameters to the sums. */
  void backward(PanamaScratch s, Tensor dA, boolean add) {
    ThreadScratch own = ThreadScratch.current();
    MemorySegment g = own.get(ThreadScratch.Slot.DU, (long) rank * Block.TOKENS);
    MemorySegment dz = own.get(ThreadScratch.Slot.U, (long) rank * Block.TOKENS);
    long stride = Species.wholeVectors(columns);
    for (int block = 0; block < Block.count(columns); block++) {
      int column = block * Block.TOKENS;
      int count = Math.min(Block.TOKENS, columns - column);
      Block.clearTail(g, 0, rank, count);
      for (int j = 0; j < rank; j++) {
        for (int i = 0; i < count; i++) {
          g.set(F, j * Block.ROW + i * 4L, s.dA.get(F, (j * stride + column + i) * 4));
        }
      }
      long a0 = (long) block * rank * Block.ROW;
      phi.backward(a, a0, g, 0, dz, 0, Block.width(count), s.sums, 0, own);
      for (int j = 0; j < rank; j++) {
        for (int i = 0; i < count; i++) {
          float value = dz.get(F, j * Block.ROW + i * 4L);
          dA.set(j, column + i, add ? dA.get(j, column + i) + value : value);
        }
      }
    }
  }
}
