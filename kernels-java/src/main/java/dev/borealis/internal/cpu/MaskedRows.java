package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.internal.dropout.DropoutMask;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Rows of X and dY as the kernels read them, and dropout's masks, which are made anew each time.
 */
final class MaskedRows {
  private final AdapterSpec spec;
  private final int rank;
  private final int inFeatures;

  MaskedRows(AdapterSpec spec) {
    this.spec = spec;
    this.rank = spec.rank();
    this.inFeatures = spec.inFeatures();
  }

  /** Points the view to rows of a tensor, masked by the input dropout if options are given. */
  void input(
      TileView view,
      ThreadScratch own,
      Tensor tensor,
      long row,
      int tokens,
      int column,
      int columns,
      @Nullable CallOptions dropout) {
    CallOptions masked = spec.inputDropout() > 0 ? dropout : null;
    if (TileView.isDirect(tensor) && masked == null) {
      view.direct(tensor, row, column);
      return;
    }
    view.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * columns), columns);
    view.load(tensor, row, tokens, column, columns);
    if (masked != null) {
      view.multiply(maskInput(row, tokens, column, columns, masked, own), tokens, columns);
    }
  }

  MemorySegment maskInput(
      long row, int tokens, int column, int columns, CallOptions options, ThreadScratch own) {
    MemorySegment mask = own.get(ThreadScratch.Slot.MASK, (long) tokens * columns);
    DropoutMask.fill(
        spec.inputDropout(),
        options.seed(),
        options.step(),
        DropoutMask.INPUT,
        false,
        inFeatures,
        mask,
        0,
        columns,
        row,
        tokens,
        column,
        columns);
    return mask;
  }

  /** {@code block ⊙= m_h}. */
  void maskHidden(
      MemorySegment block, long b0, long row, int tokens, CallOptions options, ThreadScratch own) {
    boolean unit = spec.hiddenDropoutMode() == HiddenDropoutMode.UNIT;
    MemorySegment mask = own.get(ThreadScratch.Slot.MASK, (long) tokens * rank);
    DropoutMask.fill(
        spec.hiddenDropout(),
        options.seed(),
        options.step(),
        DropoutMask.HIDDEN,
        unit,
        rank,
        mask,
        0,
        rank,
        row,
        unit ? 1 : tokens,
        0,
        rank);
    Block.mask(block, b0, rank, tokens, mask, unit ? 0 : rank);
  }
}
