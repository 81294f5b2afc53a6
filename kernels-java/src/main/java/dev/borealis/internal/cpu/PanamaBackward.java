package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The stages of a backward call: stripes of tokens, columns of dY, columns of X. What each does
 * depends on the rank, see {@link PanamaAdapter}; {@link WideGradients} has the last two of a large
 * one.
 */
final class PanamaBackward {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  // Floats of dY that stay in L2 from dU to dB, beside B and the sums of dB.
  private static final int FUSED_FLOATS = 80 << 10;

  private final PanamaAdapter adapter;
  private final WideGradients wideGradients;

  PanamaBackward(PanamaAdapter adapter) {
    this.adapter = adapter;
    this.wideGradients = new WideGradients(adapter);
  }

  /** Prepares the sums of the parameters between A and B. */
  void clearSums(PanamaScratch s) {
    long count = adapter.stripes(s.x().rows()) * adapter.sumFloats;
    for (long i = 0; i < count; i++) {
      s.sums.set(F, i * 4, 0);
    }
  }

  /** From dY and Z: Ud and dZ of a stripe's blocks, and the sums of what lies between A and B. */
  void stripe(PanamaScratch s, int stripe) {
    Tensor dY = s.y();
    long blocks = adapter.blocks(dY.rows());
    int stripes = adapter.stripes(dY.rows());
    if (adapter.fused(dY.rows()) && s.gradients != null) {
      // With B's gradient made where it lies only the row of b's is left.
      int first = s.directB ? adapter.rank : 0;
      long at = stripe * adapter.upSumFloats() + first * adapter.outStride;
      long left = (adapter.upSumRows() - first) * adapter.outStride;
      Block.clear(s.dB, at * 4, Math.toIntExact(left));
      if (!s.directA) {
        Block.clear(
            s.dA, stripe * adapter.downSumFloats() * 4, Math.toIntExact(adapter.downSumFloats()));
      }
    }
    for (long block = blocks * stripe / stripes; block < blocks * (stripe + 1) / stripes; block++) {
      block(s, dY, block, stripe);
    }
  }

  private void block(PanamaScratch s, Tensor dY, long block, int stripe) {
    long row = adapter.firstToken(dY.rows(), block);
    int tokens = adapter.tokensOf(dY.rows(), block);
    int width = Block.width(tokens);
    CallOptions options = s.options();
    ThreadScratch own = ThreadScratch.current();
    long z0 = block * adapter.downRank * Block.ROW;
    long u0 = block * adapter.rank * Block.ROW;
    boolean masked = adapter.spec.hiddenDropout() > 0;

    MemorySegment phiOfZ = own.get(ThreadScratch.Slot.U, (long) adapter.rank * Block.TOKENS);
    adapter.phi.forward(s.z, z0, phiOfZ, 0, width, own);
    for (int j = 0; j < adapter.rank; j++) {
      long line = j * Block.ROW;
      Block.scaled(phiOfZ, line, s.u, u0 + line, width, adapter.v.length > 0 ? adapter.v[j] : 1);
    }
    if (masked) {
      adapter.rows.maskHidden(s.u, u0, row, tokens, options, own);
    }
    MemorySegment du = own.get(ThreadScratch.Slot.DU, (long) adapter.rank * Block.TOKENS);
    up(s, dY, row, tokens, u0, du, stripe, own);
    if (masked) {
      adapter.rows.maskHidden(du, 0, row, tokens, options, own);
    }
    long sums = stripe * adapter.sumFloats * 4;
    long dv = sums + adapter.phiFloats * 4;
    for (int j = 0; j < adapter.rank; j++) {
      long line = j * Block.ROW;
      Block.scale(du, line, width, options.scale());
      if (adapter.v.length > 0) {
        Block.addDot(du, line, phiOfZ, line, tokens, s.sums, dv + j * 4L);
        Block.scale(du, line, width, adapter.v[j]);
      }
    }
    adapter.phi.backward(s.z, z0, du, 0, s.dz, z0, width, s.sums, sums, own);
    if (adapter.has(Parameter.A_BIAS)) {
      long da = dv + adapter.rank * 4L;
      for (int j = 0; j < adapter.downRank; j++) {
        Block.addSum(s.dz, z0 + j * Block.ROW, tokens, s.sums, da + j * 4L);
      }
    }
    if (adapter.fused(dY.rows())) {
      down(s, block, stripe * adapter.downSumFloats(), 0, adapter.inFeatures, own);
    }
    if (adapter.wide != null) {
      if (s.gradients != null) {
        if (!s.directB) {
          WideProducts.keepRows(s.u, u0, tokens, s.uRows(), (int) row);
        }
        if (s.directA) {
          sumInputs(s, z0, row, tokens, 0, 0, adapter.inFeatures, own);
        } else {
          WideProducts.keepRows(s.dz, z0, tokens, s.dzRows(), (int) row);
        }
      }
      if (s.dX != null) {
        inputGradient(s, s.dX, z0, row, tokens, 0, adapter.inFeatures, own);
      }
    }
  }

  /**
   * {@code dY B} of a block, and for small ranks the stripe's {@code Σ_n Ud dY}, {@code Σ_n dY}.
   */
  private void up(
      PanamaScratch s,
      Tensor dY,
      long row,
      int tokens,
      long u0,
      MemorySegment du,
      int stripe,
      ThreadScratch own) {
    if (!adapter.fused(dY.rows()) || s.gradients == null) {
      adapter.rows.input(own.input, own, dY, row, tokens, 0, adapter.outFeatures, null);
      if (adapter.wide != null) {
        adapter.wide.upBack(own.input, tokens, du, 0, own);
        if (s.directB) {
          sumOutputs(s, u0, own.input, tokens, 0, 0, adapter.outFeatures, own);
        }
      } else {
        Columns.down(own.input, adapter.b, tokens, du, 0, own);
      }
      return;
    }
    long sums = stripe * adapter.upSumFloats();
    // In whole vectors of tokens, which is how far down() clears the lanes behind the last one.
    long fit = FUSED_FLOATS / adapter.outFeatures / Block.STEP * (long) Block.STEP;
    int few = Math.clamp(fit, Block.STEP, Block.TOKENS);
    for (int i = 0; i < tokens; i += few) {
      int some = Math.min(few, tokens - i);
      adapter.rows.input(own.input, own, dY, row + i, some, 0, adapter.outFeatures, null);
      Columns.down(own.input, adapter.b, some, du, i * 4L, own);
      sumOutputs(s, u0 + i * 4L, own.input, some, sums, 0, adapter.outFeatures, own);
    }
  }

  /** Adds {@code Σ_n Ud dY} and {@code Σ_n dY} for some tokens and columns to sums of them. */
  private void sumOutputs(
      PanamaScratch s,
      long u0,
      TileView rows,
      int tokens,
      long sums,
      int column,
      int columns,
      ThreadScratch own) {
    long at = (sums + column) * 4;
    AdapterGradients gradients = s.gradients;
    if (s.directB && gradients != null) {
      Tensor dB = gradients.get(Parameter.B);
      float scale = s.options().scale();
      adapter.rankGradient.put(s.u, u0, rows, tokens, columns, scale, dB, accumulates(s), own);
    } else {
      Columns.addGradient(
          s.u, u0, adapter.rank, rows, tokens, columns, s.dB, at, adapter.outStride * 4, true, own);
    }
    if (adapter.has(Parameter.B_BIAS)) {
      Columns.addSums(rows, tokens, columns, s.dB, adapter.rank * adapter.outStride * 4 + at);
    }
  }

  /** {@code Σ_n Ud dY} and {@code Σ_n dY} for a group of dY's columns, written to dB, db and dg. */
  void outputColumns(PanamaScratch s, int group) {
    Tensor dY = s.y();
    int column = group * adapter.outGroup;
    int columns = Math.min(adapter.outGroup, adapter.outFeatures - column);
    if (adapter.fused(dY.rows())) {
      addStripes(
          s.dB,
          adapter.stripes(dY.rows()),
          adapter.upSumFloats(),
          adapter.upSumRows(),
          adapter.outStride,
          column,
          columns);
      writeOutputGradients(s, column, columns);
      return;
    }
    ThreadScratch own = ThreadScratch.current();
    if (adapter.wide != null) {
      wideGradients.output(s, column, columns, own);
      return;
    }
    Columns.clear(s.dB, adapter.upSumRows(), adapter.outStride, column, columns);
    int blocks = adapter.blocks(dY.rows());
    for (int block = 0; block < blocks; block++) {
      long row = adapter.firstToken(dY.rows(), block);
      int tokens = adapter.tokensOf(dY.rows(), block);
      adapter.rows.input(own.input, own, dY, row, tokens, column, columns, null);
      sumOutputs(
          s, (long) block * adapter.rank * Block.ROW, own.input, tokens, 0, column, columns, own);
    }
    writeOutputGradients(s, column, columns);
  }

  /** Adds the stripes' sums of a group of columns to the first one's, in their order. */
  private static void addStripes(
      MemorySegment sums,
      int stripes,
      long stripeFloats,
      int rows,
      long stride,
      int column,
      int columns) {
    for (int stripe = 1; stripe < stripes; stripe++) {
      for (int j = 0; j < rows; j++) {
        long at = (j * stride + column) * 4;
        Block.add(sums, at + stripeFloats * stripe * 4, sums, at, Block.width(columns));
      }
    }
  }

  private void writeOutputGradients(PanamaScratch s, int column, int columns) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    boolean add = accumulates(s);
    float scale = s.options().scale();
    if (adapter.gain.length > 0) {
      writeGainGradient(s.dB, gradients.get(Parameter.GAIN), column, columns, scale, add);
    }
    for (int j = 0; j < adapter.rank && !s.directB; j++) {
      long row = j * adapter.outStride * 4;
      if (adapter.gain.length > 0) {
        for (int i = column; i < column + columns; i++) {
          s.dB.set(F, row + i * 4L, adapter.gain[i] * s.dB.get(F, row + i * 4L));
        }
      }
      Tensor dB = gradients.get(Parameter.B);
      Gradient.putColumn(s.dB, row + column * 4L, dB, column, j, columns, scale, add);
    }
    if (adapter.has(Parameter.B_BIAS)) {
      Tensor db = gradients.get(Parameter.B_BIAS);
      Gradient.putRow(
          s.dB, (adapter.rank * adapter.outStride + column) * 4, db, 0, column, columns, add);
    }
  }

  /** {@code dg_i = s · Σ_j B[i,j] (Σ_n Ud dY)[j,i]}. */
  private void writeGainGradient(
      MemorySegment sums, Tensor dg, int column, int columns, float scale, boolean add) {
    for (int i = column; i < column + columns; i++) {
      float sum = 0;
      for (int j = 0; j < adapter.rank; j++) {
        sum = Math.fma(adapter.plainB.get(j, i), sums.get(F, (j * adapter.outStride + i) * 4), sum);
      }
      Gradient.put(dg, i, scale * sum, add);
    }
  }

  /** {@code Σ_n dZ Xd} and {@code dX += m_x ⊙ (dZ A)} for a group of X's columns. */
  void inputColumns(PanamaScratch s, int group) {
    int column = group * adapter.inGroup;
    int columns = Math.min(adapter.inGroup, adapter.inFeatures - column);
    long rows = s.x().rows();
    if (adapter.wide != null) {
      wideGradients.input(s, column, columns, ThreadScratch.current());
      return;
    }
    if (adapter.fused(rows)) {
      if (s.gradients != null) {
        addStripes(
            s.dA,
            adapter.stripes(rows),
            adapter.downSumFloats(),
            adapter.downRank,
            adapter.inStride,
            column,
            columns);
      }
    } else {
      if (s.gradients != null) {
        Columns.clear(s.dA, adapter.downRank, adapter.inStride, column, columns);
      }
      ThreadScratch own = ThreadScratch.current();
      for (long block = 0; block < adapter.blocks(rows); block++) {
        down(s, block, 0, column, columns, own);
      }
    }
    if (s.gradients != null && adapter.staticForm == null) {
      writeDownGradient(s, s.gradients.get(Parameter.A), column, columns);
    }
  }

  /** {@code Σ_n dZ Xd}, added to sums of it, and dX, for a block's tokens and some columns. */
  private void down(
      PanamaScratch s, long block, long sums, int column, int columns, ThreadScratch own) {
    long row = adapter.firstToken(s.x().rows(), block);
    int tokens = adapter.tokensOf(s.x().rows(), block);
    long dz0 = block * adapter.downRank * Block.ROW;
    if (s.gradients != null) {
      sumInputs(s, dz0, row, tokens, sums, column, columns, own);
    }
    if (s.dX != null) {
      inputGradient(s, s.dX, dz0, row, tokens, column, columns, own);
    }
  }

  /** Adds {@code Σ_n dZ Xd} for some tokens and columns to sums of them. */
  private void sumInputs(
      PanamaScratch s,
      long dz0,
      long row,
      int tokens,
      long sums,
      int column,
      int columns,
      ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    Tensor dA = s.directA && gradients != null ? gradients.get(Parameter.A) : null;
    adapter.rows.input(own.input, own, s.x(), row, tokens, column, columns, s.options());
    Columns.addGradient(
        s.dz,
        dz0,
        adapter.downRank,
        own.input,
        tokens,
        columns,
        dA == null ? s.dA : dA.segment(),
        (sums + column) * 4,
        (dA == null ? adapter.inStride : dA.rowStride()) * 4,
        dA == null || row > 0 || accumulates(s),
        own);
  }

  static boolean accumulates(PanamaScratch s) {
    return s.gradientOptions.parameters() == Update.ACCUMULATE;
  }

  private void writeDownGradient(PanamaScratch s, Tensor dA, int column, int columns) {
    boolean add = accumulates(s);
    for (int j = 0; j < adapter.downRank; j++) {
      Gradient.putRow(s.dA, (j * adapter.inStride + column) * 4, dA, j, column, columns, add);
    }
  }

  private void inputGradient(
      PanamaScratch s,
      Tensor dX,
      long dz0,
      long row,
      int tokens,
      int column,
      int columns,
      ThreadScratch own) {
    boolean add = s.gradientOptions.input() == Update.ACCUMULATE;
    TileView output = own.output;
    boolean masked = adapter.spec.inputDropout() > 0;
    if (TileView.isDirect(dX) && !masked) {
      output.direct(dX, row, column);
      inputProduct(s, dz0, column, columns, output, tokens, add, own);
      return;
    }
    output.staged(own.get(ThreadScratch.Slot.OUTPUT, (long) tokens * columns), columns);
    inputProduct(s, dz0, column, columns, output, tokens, false, own);
    if (masked) {
      output.multiply(
          adapter.rows.maskInput(row, tokens, column, columns, s.options(), own), tokens, columns);
    }
    if (add) {
      own.input.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * columns), columns);
      own.input.load(dX, row, tokens, column, columns);
      output.add(own.input, tokens, columns);
    }
    output.store(dX, row, tokens, column, columns);
  }

  /** {@code out (+)= dZ A}; a large adapter.rank takes all columns at once. */
  private void inputProduct(
      PanamaScratch s,
      long dz0,
      int column,
      int columns,
      TileView out,
      int tokens,
      boolean add,
      ThreadScratch own) {
    if (adapter.wide != null) {
      adapter.wide.downBack(s.dz, dz0, out, tokens, add, own);
    } else {
      Columns.product(
          s.dz, dz0, adapter.a, column, columns, adapter.downRank, out, tokens, add, own);
    }
  }

  /** Adds up the stripes' sums in their order and writes the gradients of the small parameters. */
  void finish(PanamaScratch s, AdapterGradients gradients) {
    int stripes = adapter.stripes(s.x().rows());
    for (int stripe = 1; stripe < stripes; stripe++) {
      for (long i = 0; i < adapter.sumFloats; i++) {
        float other = s.sums.get(F, (stripe * adapter.sumFloats + i) * 4);
        s.sums.set(F, i * 4, s.sums.get(F, i * 4) + other);
      }
    }
    boolean add = accumulates(s);
    if (adapter.staticForm != null) {
      adapter.staticForm.backward(s, gradients.get(Parameter.A), add);
    }
    long next = 0;
    for (Parameter parameter : SUMMED) {
      if (parameter == Parameter.V) {
        next = adapter.phiFloats;
      } else if (parameter == Parameter.A_BIAS) {
        next = adapter.phiFloats + adapter.rank;
      }
      if (adapter.has(parameter)) {
        Tensor gradient = gradients.get(parameter);
        int columns = Math.toIntExact(gradient.columns());
        for (long row = 0; row < gradient.rows(); row++) {
          Gradient.putRow(s.sums, next * 4, gradient, row, 0, columns, add);
          next += columns;
        }
      }
    }
  }

  /** Parameters whose gradients are in the sums, in their order there. */
  private static final Parameter[] SUMMED = {
    Parameter.MIXER, Parameter.H, Parameter.SPLINE, Parameter.BETA, Parameter.V, Parameter.A_BIAS
  };
}
