package dev.borealis.cuda;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.tensor.DType;
import java.util.Optional;

/** What a kernel is meant to take and to move. Computed from sizes; nothing here is measured. */
final class KernelDesign {
  /** The largest grid of a spline: the bases need shared memory. */
  static final SplineGrid LARGEST_GRID = new SplineGrid(64, -1, 1);

  /** The largest ranks of the kernels whose shared memory grows with them. */
  static final int LARGEST_RANK = 512;

  static final int LARGEST_UP_RANK = 64;

  /** Tokens and widths of {@link #traffic}. */
  static final long SIZE = 4096;

  private static final int ROWS = 32;

  /**
   * Bytes in memory for n = d_in = d_out = 4096, outputs added to.
   *
   * @param rank r
   * @param floor inputs and outputs, each once
   * @param moved with packed weights, shares and saved Z; what neighbouring blocks read together
   *     counts once
   */
  record Traffic(int rank, long floor, long moved) {}

  /**
   * Instructions of the loops' bodies, as often as the source unrolls them.
   *
   * @param products on tensor cores
   * @param loads of 16 bytes from global memory
   * @param stores of 16 bytes to it
   * @param shuffles between lanes
   */
  record Instructions(int products, int loads, int stores, int shuffles) {
    static final Instructions NONE = new Instructions(0, 0, 0, 0);

    Instructions plus(Instructions other) {
      return new Instructions(
          products + other.products,
          loads + other.loads,
          stores + other.stores,
          shuffles + other.shuffles);
    }
  }

  private KernelDesign() {}

  /** Returns the largest shared memory of any launch. */
  static long sharedBytes(Kernel kernel, DType type) {
    return switch (kernel) {
      case FORWARD_16, FORWARD_32 -> ForwardPass.FUSED_BYTES;
      case CONTRACT, BATCH_CONTRACT, OUTER_16, OUTER_32, OUTER_SPLINE -> ForwardPass.QUEUE_BYTES;
      case CONTRACT_TALL -> ForwardPass.tallBytes(type, Splits.TALL_RANKS);
      case EXPAND -> ForwardPass.expandBytes(64, DType.F32);
      case BATCH_EXPAND -> ForwardPass.expandBytes(ROWS, DType.F32);
      case REDUCE -> BackwardPass.REDUCE_BYTES;
      case DECODE ->
          ForwardPass.decodeBytes(ForwardPass.decodeColumns(ForwardPass.DECODE_FEATURES));
      case UP -> ForwardPass.UP_SLOT_BYTES + aurora(LARGEST_UP_RANK).upBytes();
      case PHI_FORWARD, BATCH_PHI -> aurora(LARGEST_RANK).forwardBytes(SIZE);
      case PHI_BACKWARD -> aurora(LARGEST_RANK).backwardBytes(SIZE);
      case COLUMN_SUMS, WIDEN -> Kernel.THREADS * 4L;
      case FINGERPRINT, MERGE_CENTRE -> MergeMemory.NUMBERS_BYTES;
      case MERGE_PRODUCT -> MergeMemory.PRODUCT_BYTES;
      // SwiGLU's Z has twice the rank.
      case MERGE_PHI -> MergeMemory.phiBytes(LARGEST_RANK, 2 * LARGEST_RANK);
      default -> 0;
    };
  }

  private static PhiWeights aurora(int rank) {
    var nonlinearity =
        new Nonlinearity.Aurora(Activation.TANH, true, true, SplineMode.SUM, LARGEST_GRID);
    return new PhiWeights(nonlinearity, rank, rank, 0, 0, 0, 0, 0);
  }

  /** Returns the instructions that a kernel has to have at least; of shuffles, exactly. */
  static Instructions instructions(Kernel kernel, DType type) {
    boolean f32 = type == DType.F32;
    return switch (kernel) {
      case FORWARD_16 -> contract(f32, 2, 2).plus(expand(f32, 2)).plus(phi());
      case FORWARD_32 -> contract(f32, 2, 4).plus(expand(f32, 2)).plus(phi());
      case UP -> expand(f32, 1).plus(phi());
      case EXPAND, BATCH_EXPAND -> expand(f32, 1);
      // X, two rows of A and of Bᵀ, Y; two sums over a warp.
      case DECODE ->
          new Instructions(0, (f32 ? 2 : 1) + 2 + 2, 0, 10).plus(update(f32, 1)).plus(phi());
      case CONTRACT, BATCH_CONTRACT -> contract(f32, 2, 2);
      case CONTRACT_TALL -> contract(f32, 1, 8);
      // Sums of the columns of D: eight to a thread, over four lanes.
      case OUTER_16 -> outer(f32, 1).plus(new Instructions(0, 0, 2, 16));
      case OUTER_32 -> outer(f32, 2).plus(new Instructions(0, 0, 2, 16));
      // Its D is computed.
      case OUTER_SPLINE -> new Instructions(outer(true, 1).products(), 0, 10, 16);
      case PHI_FORWARD, PHI_BACKWARD, BATCH_PHI -> phi();
      default -> Instructions.NONE;
    };
  }

  /**
   * 16 mt rows and 8 nt ranks; 32 columns are four steps of eight. What is read comes by copies.
   */
  private static Instructions contract(boolean f32, int mt, int nt) {
    return new Instructions(mt * nt * 4 * (f32 ? 3 : 2), 0, 0, 0);
  }

  /**
   * 32 rows and 32 columns, some steps of eight ranks; 16-bit inputs may have an F32 output too.
   */
  private static Instructions expand(boolean f32, int steps) {
    return new Instructions(steps * 2 * 4 * 3, 0, 0, 0).plus(update(f32, 4));
  }

  /** Eight elements of Y a time. */
  private static Instructions update(boolean f32, int times) {
    return new Instructions(0, 0, times * (f32 ? 2 : 3), 0);
  }

  /** The sums of a spline's bases, over eight lanes. */
  private static Instructions phi() {
    return new Instructions(0, 0, 0, 3);
  }

  /** 16 mj ranks and 64 columns. */
  private static Instructions outer(boolean f32, int mj) {
    return new Instructions(mj * 8 * (f32 ? 3 : 2), 0, 8 * mj, 0);
  }

  /** Returns the traffic of a kernel that streams X, Y, dY or dX; those of the others is small. */
  static Optional<Traffic> traffic(Kernel kernel, DType type) {
    long n = SIZE;
    long d = SIZE;
    long stream = n * d * type.byteSize();
    long zShares = Splits.ceil(d, Splits.columns(n, d, 64));
    return Optional.ofNullable(
        switch (kernel) {
          case FORWARD_16, FORWARD_32 -> {
            int downRank = kernel == Kernel.FORWARD_16 ? 16 : 32;
            yield new Traffic(
                16, 3 * stream, 3 * stream + 4 * ((downRank + 16) * d + downRank * n));
          }
          case CONTRACT_TALL -> traffic(64, stream + 64 * 4 * n, (zShares - 1) * n + d);
          case EXPAND -> traffic(64, 2 * stream + 64 * 4 * n, d);
          case OUTER_16, OUTER_32 -> {
            int r = kernel == Kernel.OUTER_16 ? 16 : 32;
            yield traffic(r, stream + 4L * r * (n + d), (Splits.rowSplits(n, r, d) - 1) * d);
          }
          default -> null;
        });
  }

  private static Traffic traffic(int rank, long floor, long moreRows) {
    return new Traffic(rank, floor, floor + 4L * rank * moreRows);
  }
}
