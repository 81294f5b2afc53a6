package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The gradients of a large rank that are sums over tokens, a group of columns at a time. */
final class WideGradients {
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final PanamaAdapter adapter;

  WideGradients(PanamaAdapter adapter) {
    this.adapter = adapter;
  }

  void output(PanamaScratch s, int column, int columns, ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    Tensor dY = s.y();
    MemorySegment panel = own.get(ThreadScratch.Slot.PANEL, WideProducts.COPY_FLOATS);
    long sumRow = WideProducts.copiedRow(adapter.rank);
    MemorySegment sums = own.get(ThreadScratch.Slot.PANEL_SUMS, columns * sumRow / 4);
    Columns.clear(s.dB, 1, adapter.outStride, column, columns);
    int row = 0;
    // Once at least: the sums over no tokens are zero.
    do {
      int tokens = (int) Math.min(WideProducts.TOKENS, dY.rows() - row);
      adapter.rows.input(own.input, own, dY, row, tokens, column, columns, null);
      WideProducts.copy(own.input, tokens, columns, panel);
      for (int n = 0; n < columns; n += Panels.WIDTH) {
        WideProducts.addTokensByRank(
            panel,
            WideProducts.panelAt(tokens, n),
            Math.min(Panels.WIDTH, columns - n),
            s.uRows(),
            row,
            tokens,
            sums,
            n * sumRow,
            row > 0,
            own);
      }
      if (adapter.has(Parameter.B_BIAS)) {
        Columns.addSums(own.input, tokens, columns, s.dB, column * 4L);
      }
      row += tokens;
    } while (row < dY.rows());
    boolean add = PanamaBackward.accumulates(s);
    float scale = s.options().scale();
    Tensor dB = gradients.get(Parameter.B);
    for (int i = 0; i < columns; i++) {
      float factor = adapter.gain.length == 0 ? scale : scale * adapter.gain[column + i];
      long to = (column + i) * dB.rowStride() * 4;
      Gemm.put(sums, i * sumRow, 0, factor, dB.segment(), to, 0, 1, adapter.rank, add);
      if (adapter.gain.length > 0) {
        float dg = 0;
        for (int j = 0; j < adapter.rank; j++) {
          dg = Math.fma(adapter.plainB.get(j, column + i), sums.get(F, i * sumRow + j * 4L), dg);
        }
        Gradient.put(gradients.get(Parameter.GAIN), column + i, scale * dg, add);
      }
      if (adapter.has(Parameter.B_BIAS)) {
        float db = s.dB.get(F, (column + i) * 4L);
        Gradient.put(gradients.get(Parameter.B_BIAS), column + i, db, add);
      }
    }
  }

  void input(PanamaScratch s, int column, int columns, ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    Tensor x = s.x();
    MemorySegment panel = own.get(ThreadScratch.Slot.PANEL, WideProducts.COPY_FLOATS);
    MemorySegment sums =
        own.get(ThreadScratch.Slot.PANEL_SUMS, (long) adapter.downRank * WideProducts.GROUP);
    int row = 0;
    do {
      int tokens = (int) Math.min(WideProducts.TOKENS, x.rows() - row);
      adapter.rows.input(own.input, own, x, row, tokens, column, columns, s.options());
      WideProducts.copy(own.input, tokens, columns, panel);
      for (int n = 0; n < columns; n += Panels.WIDTH) {
        WideProducts.addRankByTokens(
            panel,
            WideProducts.panelAt(tokens, n),
            Math.min(Panels.WIDTH, columns - n),
            s.dzRows(),
            row,
            tokens,
            sums,
            WideProducts.panelAt(adapter.downRank, n),
            row > 0,
            own);
      }
      row += tokens;
    } while (row < x.rows());
    Tensor dA = gradients.get(Parameter.A);
    // The static form's dA is the gradient of σ(A), which goes on.
    boolean last = adapter.staticForm == null;
    MemorySegment to = last ? dA.segment() : s.dA;
    long stride = last ? dA.rowStride() * 4 : adapter.inStride * 4;
    boolean add = last && PanamaBackward.accumulates(s);
    for (int n = 0; n < columns; n += Panels.WIDTH) {
      int width = Math.min(Panels.WIDTH, columns - n);
      Gemm.put(
          sums,
          WideProducts.panelAt(adapter.downRank, n),
          WideProducts.copiedRow(width),
          1,
          to,
          (column + n) * 4L,
          stride,
          adapter.downRank,
          width,
          add);
    }
  }
}
