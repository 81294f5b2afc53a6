package dev.borealis.internal.cpu;

import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code Y = β·Y + s·φ(X Aᵀ) Bᵀ} for the tokens of one {@link Block}: down, φ, up. */
final class PanamaForward {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final PanamaAdapter adapter;

  PanamaForward(PanamaAdapter adapter) {
    this.adapter = adapter;
  }

  void block(PanamaScratch s, int block) {
    Tensor x = s.x();
    long row = adapter.firstToken(x.rows(), block);
    int tokens = adapter.tokensOf(x.rows(), block);
    ThreadScratch own = ThreadScratch.current();
    boolean training = s.mode == Mode.TRAINING;
    TileView input = own.input;
    adapter.rows.input(
        input, own, x, row, tokens, 0, adapter.inFeatures, training ? s.options() : null);

    MemorySegment z =
        training ? s.z : own.get(ThreadScratch.Slot.Z, (long) adapter.downRank * Block.TOKENS);
    long z0 = training ? (long) block * adapter.downRank * Block.ROW : 0;
    MemorySegment u = hidden(input, tokens, z, z0, s.options().scale(), own);
    if (training && adapter.spec.hiddenDropout() > 0) {
      adapter.rows.maskHidden(u, 0, row, tokens, s.options(), own);
    }
    up(own, u, s.y(), s.options().output() == Update.ACCUMULATE, row, tokens);
  }

  /**
   * Adds the branch to at most {@link Block#TOKENS} rows of Y, in inference. Rows at even distances
   * are used where they lie, like any rows; others are gathered first.
   *
   * @param rows numbers of rows
   * @param from index of the first one
   * @param tokens how many
   */
  void rows(Tensor x, Tensor y, int[] rows, int from, int tokens, float scale) {
    ThreadScratch own = ThreadScratch.current();
    int step = TileView.step(rows, from, tokens);
    TileView input = own.input;
    if (step > 0 && TileView.isDirect(x)) {
      input.direct(x, rows[from], 0, step);
    } else {
      input.staged(
          own.get(ThreadScratch.Slot.INPUT, (long) tokens * adapter.inFeatures),
          adapter.inFeatures);
      input.gather(x, rows, from, tokens, adapter.inFeatures);
    }
    MemorySegment z = own.get(ThreadScratch.Slot.Z, (long) adapter.downRank * Block.TOKENS);
    MemorySegment u = hidden(input, tokens, z, 0, scale, own);
    TileView output = own.output;
    if (step > 0 && TileView.isDirect(y)) {
      output.direct(y, rows[from], 0, step);
      product(u, output, true, tokens, own);
    } else {
      output.staged(
          own.get(ThreadScratch.Slot.OUTPUT, tokens * adapter.outStride), adapter.outFeatures);
      output.gather(y, rows, from, tokens, adapter.outFeatures);
      product(u, output, true, tokens, own);
      output.scatter(y, rows, from, tokens, adapter.outFeatures);
    }
  }

  /** {@code Z = X Aᵀ + a} and {@code U = s·v ⊙ φ(Z)}, which is returned, for a block's tokens. */
  private MemorySegment hidden(
      TileView input, int tokens, MemorySegment z, long z0, float scale, ThreadScratch own) {
    int width = Block.width(tokens);
    if (adapter.wide != null) {
      adapter.wide.down(input, tokens, z, z0, own);
    } else {
      Columns.down(input, adapter.a, tokens, z, z0, own);
    }
    if (adapter.has(Parameter.A_BIAS)) {
      for (int j = 0; j < adapter.downRank; j++) {
        Block.shift(z, z0 + j * Block.ROW, width, adapter.downBias.get(F, j * 4L));
      }
    }
    MemorySegment u = own.get(ThreadScratch.Slot.U, (long) adapter.rank * Block.TOKENS);
    if (!adapter.phi.isIdentity()) {
      adapter.phi.forward(z, z0, u, 0, width, own);
    }
    for (int j = 0; j < adapter.rank; j++) {
      long line = j * Block.ROW;
      float factor = adapter.v.length == 0 ? scale : scale * adapter.v[j];
      if (adapter.phi.isIdentity()) {
        Block.scaled(z, z0 + line, u, line, width, factor);
      } else if (factor != 1) {
        Block.scale(u, line, width, factor);
      }
    }
    return u;
  }

  /** {@code Y = β·Y + Ud B (+ b)} for the tokens of a block. */
  private void up(ThreadScratch own, MemorySegment u, Tensor y, boolean add, long row, int tokens) {
    TileView output = own.output;
    boolean direct = TileView.isDirect(y);
    if (direct) {
      output.direct(y, row, 0);
    } else {
      output.staged(
          own.get(ThreadScratch.Slot.OUTPUT, tokens * adapter.outStride), adapter.outFeatures);
      if (add) {
        output.load(y, row, tokens, 0, adapter.outFeatures);
      }
    }
    product(u, output, add, tokens, own);
    if (!direct) {
      output.store(y, row, tokens, 0, adapter.outFeatures);
    }
  }

  private void product(
      MemorySegment u, TileView output, boolean add, int tokens, ThreadScratch own) {
    if (adapter.wide != null) {
      adapter.wide.up(u, 0, output, tokens, add, own);
    } else {
      Columns.product(
          u, 0, adapter.b, 0, adapter.outFeatures, adapter.rank, output, tokens, add, own);
    }
    if (adapter.has(Parameter.B_BIAS)) {
      Columns.addToRows(adapter.upBias, 0, output, tokens, adapter.outFeatures);
    }
  }
}
