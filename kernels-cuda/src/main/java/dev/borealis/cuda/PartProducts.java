package dev.borealis.cuda;

import dev.borealis.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * The products of many BF16 tokens by cuBLAS, with F32 sums. F32 factors take part as sums of BF16:
 * weights of three, 2⁻²⁴ of them left out, U and dZ of two, 2⁻¹⁶ left out. Weights lie as four
 * matrices, lowest, low, high and high part, U and dZ as [n, 3 ld], high, high and low part, so
 * that the parts that belong together are neighbours on both sides and every product is one call.
 */
final class PartProducts {
  /** Matrices of BF16 that weights are laid out in. */
  static final int WEIGHT_PARTS = 4;

  /** The same of U and dZ, side by side. */
  static final int HIDDEN_PARTS = 3;

  private final Gemm gemm;

  PartProducts(Gemm gemm) {
    this.gemm = gemm;
  }

  /** Those of a queue, or null. */
  static @Nullable PartProducts of(@Nullable CudaQueue queue) {
    Gemm gemm = queue == null ? null : queue.gemm();
    return gemm == null ? null : new PartProducts(gemm);
  }

  /** Queues D Wᵀ; returns its shares, one of each part of W that is not zero. */
  Shares contract(DeviceMatrix d, long n, Packed w, long to) {
    long ld = Packed.round(w.rows(), Packed.ROW_TILE);
    long parts = w.low() ? 3 : 1;
    gemm.multiply(
        n,
        parts * ld,
        w.columns(),
        1,
        Gemm.Operand.of(d),
        Gemm.Operand.transposed(w.part(w.low() ? 0 : 2)),
        new DeviceMatrix(to, parts * ld, DType.F32),
        false);
    return new Shares(to, parts, ld, parts * ld, ld);
  }

  /**
   * Queues out (+)= scale · U W: the high part of U by two of W, and the low one by the high one.
   */
  void expand(long u, long n, Packed w, DeviceMatrix out, float scale, boolean accumulate) {
    long ld = Packed.round(w.rows(), Packed.ROW_TILE);
    long parts = w.low() ? 3 : 2;
    gemm.multiply(
        n,
        w.columns(),
        parts * ld,
        scale,
        Gemm.Operand.of(hidden(u, ld, HIDDEN_PARTS - parts)),
        Gemm.Operand.of(w.part(w.low() ? 1 : 2)),
        out,
        accumulate);
  }

  /** Queues Uᵀ D, [r, k]; returns its shares, one of each part of U. */
  Shares outer(long u, long r, DeviceMatrix d, long n, long k, long to) {
    long ld = Packed.round(r, Packed.ROW_TILE);
    long ldOut = Packed.ld(k);
    gemm.multiply(
        2 * ld,
        k,
        n,
        1,
        Gemm.Operand.transposed(hidden(u, ld, 1)),
        Gemm.Operand.of(d),
        new DeviceMatrix(to, ldOut, DType.F32),
        false);
    return new Shares(to, 2, ld * ldOut, ldOut, k);
  }

  private static DeviceMatrix hidden(long u, long ld, long first) {
    return new DeviceMatrix(u + first * ld * 2, HIDDEN_PARTS * ld, DType.BF16);
  }

  /** BF16 elements of U or dZ. */
  static long hiddenElements(long n, long ld) {
    return n * HIDDEN_PARTS * ld;
  }
}
