package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a {@link dev.borealis.adapter.Workspace} and the arguments of the call that has it.
 * The stages of a call are objects made once here, because a lambda over the arguments would be
 * garbage in every call.
 */
final class PanamaScratch implements AdapterKernel.Scratch {
  final Mode mode;

  /** Blocks of Z [blocks][r_a][TOKENS], kept from forward to backward; TRAINING only, as below. */
  final MemorySegment z;

  /** Blocks of Ud = m_h ⊙ v ⊙ φ(Z) [blocks][r][TOKENS]. */
  final MemorySegment u;

  /** Blocks of dZ [blocks][r_a][TOKENS]. */
  final MemorySegment dz;

  /** Sums of gradients of the parameters between A and B, one part a stripe of tokens. */
  final MemorySegment sums;

  /**
   * {@code Σ_n dZ X}, rows of A's columns rounded up to whole vectors; for small ranks one such sum
   * a stripe.
   */
  final MemorySegment dA;

  /**
   * {@code Σ_n Ud dY}, likewise [r][d_out], and below it {@code Σ_n dY} [d_out], which is all if
   * the rank is large; for small ranks one such sum a stripe.
   */
  final MemorySegment dB;

  // Rows of Ud and dZ, for the sums over tokens; if the rank is large.
  private final @Nullable Panels uRows;
  private final @Nullable Panels dzRows;

  final WorkerPool.Work forwardBlocks;
  final WorkerPool.Work backwardStripes;
  final WorkerPool.Work backwardOutputColumns;
  final WorkerPool.Work backwardInputColumns;

  // The call under way: set before its stages start, cleared after.
  private @Nullable Tensor x;
  private @Nullable Tensor y;
  private @Nullable CallOptions options;
  @Nullable Tensor dX;
  @Nullable AdapterGradients gradients;
  GradientOptions gradientOptions = GradientOptions.ACCUMULATE;

  /** Whether the one stripe's sums are made in the gradient of A itself. */
  boolean directA;

  /** Likewise for B. */
  boolean directB;

  PanamaScratch(PanamaAdapter kernel, int maxTokens, Mode mode, Arena arena) {
    this.mode = mode;
    long blocks = mode == Mode.TRAINING ? kernel.blocks(maxTokens) : 0;
    this.z = floats(arena, blocks * kernel.downRank * Block.TOKENS);
    this.u = floats(arena, blocks * kernel.rank * Block.TOKENS);
    this.dz = floats(arena, blocks * kernel.downRank * Block.TOKENS);
    boolean training = mode == Mode.TRAINING;
    this.sums = floats(arena, training ? kernel.stripes(maxTokens) * kernel.sumFloats : 0);
    boolean wide = kernel.wide != null;
    boolean sumsA = training && (!wide || kernel.staticForm != null);
    long stripes = kernel.columnSums(maxTokens);
    this.dA = floats(arena, sumsA ? stripes * kernel.downSumFloats() : 0);
    this.dB =
        floats(arena, !training ? 0 : wide ? kernel.outStride : stripes * kernel.upSumFloats());
    this.uRows = training && wide ? new Panels(arena, maxTokens, kernel.rank) : null;
    this.dzRows = training && wide ? new Panels(arena, maxTokens, kernel.downRank) : null;
    this.forwardBlocks = block -> kernel.forward.block(this, block);
    this.backwardStripes = stripe -> kernel.backward.stripe(this, stripe);
    this.backwardOutputColumns = group -> kernel.backward.outputColumns(this, group);
    this.backwardInputColumns = group -> kernel.backward.inputColumns(this, group);
  }

  private static MemorySegment floats(Arena arena, long count) {
    return count == 0 ? MemorySegment.NULL : Scalars.allocate(arena, count);
  }

  void begin(Tensor newX, Tensor newY, CallOptions newOptions) {
    x = newX;
    y = newY;
    options = newOptions;
  }

  void end() {
    x = null;
    y = null;
    options = null;
    dX = null;
    gradients = null;
  }

  Tensor x() {
    return set(x);
  }

  /** {@return Y in the forward call, dY in the backward call} */
  Tensor y() {
    return set(y);
  }

  Panels uRows() {
    return set(uRows);
  }

  Panels dzRows() {
    return set(dzRows);
  }

  CallOptions options() {
    return set(options);
  }

  private static <T> T set(@Nullable T value) {
    if (value == null) {
      throw new AssertionError("not there in this call");
    }
    return value;
  }
}
