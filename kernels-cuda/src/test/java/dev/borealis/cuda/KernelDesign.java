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
  private static final int WARPS = 8;

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
  static long sharedBytes(Kernel kernel) {
    return switch (kernel) {
      case FORWARD_16 -> fused(16);
      case FORWARD_32 -> fused(32);
      case CONTRACT, BATCH_CONTRACT -> ForwardPass.CONTRACT_BYTES;
      case DECODE ->
          ForwardPass.decodeBytes(ForwardPass.decodeColumns(ForwardPass.DECODE_FEATURES));
      case UP -> aurora(LARGEST_UP_RANK).upBytes();
      case BACKWARD_UP_16 -> sums(16, 16);
      case BACKWARD_UP_32 -> sums(16, 32);
      case PHI_FORWARD, BATCH_PHI -> aurora(LARGEST_RANK).forwardBytes();
      case PHI_BACKWARD -> aurora(LARGEST_RANK).backwardBytes();
      case COLUMN_SUMS, WIDEN -> Kernel.THREADS * 4L;
      case FINGERPRINT, MERGE_CENTRE -> MergeMemory.NUMBERS_BYTES;
      case MERGE_PRODUCT -> MergeMemory.PRODUCT_BYTES;
      // SwiGLU's Z has twice the rank.
      case MERGE_PHI -> MergeMemory.phiBytes(LARGEST_RANK, 2 * LARGEST_RANK);
      default -> 0;
    };
  }

  /** The warps' sums of a tile, beside which 8 floats a row keep banks apart. */
  private static long sums(int rows, int ranks) {
    return 4L * WARPS * rows * (ranks + 8);
  }

  private static long fused(int ranks) {
    return sums(ROWS, ranks) + ROWS * (ranks + 24L) * 4;
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
      case FORWARD_16 -> contract(f32, 2, 2).plus(expand(f32, 2));
      case FORWARD_32 -> contract(f32, 2, 4).plus(expand(f32, 2));
      case UP, BATCH_EXPAND -> expand(f32, 2);
      // X, two rows of A and of Bᵀ, Y; two sums over a warp.
      case DECODE -> new Instructions(0, (f32 ? 2 : 1) + 2 + 2, 0, 10).plus(update(f32, 1));
      case CONTRACT, BATCH_CONTRACT -> contract(f32, 2, 4);
      case EXPAND -> expand(f32, 4);
      case OUTER_16 -> outer(f32, 1);
      case OUTER_32 -> outer(f32, 2);
      // Sums of the columns of dY: eight to a thread, over four lanes.
      case BACKWARD_UP_16 ->
          contract(f32, 1, 2).plus(outer(f32, 1)).plus(new Instructions(0, 0, 2, 16));
      case BACKWARD_UP_32 ->
          contract(f32, 1, 4).plus(outer(f32, 2)).plus(new Instructions(0, 0, 2, 16));
      // Its D is computed.
      case OUTER_SPLINE -> new Instructions(outer(true, 1).products(), 0, 8, 0);
      default -> Instructions.NONE;
    };
  }

  /** 16 mt rows and 8 nt ranks; 32 columns are four steps of eight, eight elements to a thread. */
  private static Instructions contract(boolean f32, int mt, int nt) {
    return new Instructions(mt * nt * 4 * (f32 ? 3 : 2), 2 * mt * (f32 ? 2 : 1) + 2 * nt, 0, 0);
  }

  /** 16 mt rows and 32 columns; an output of F32 beside 16-bit inputs has code of its own. */
  private static Instructions expand(boolean f32, int mt) {
    return new Instructions(mt * 4 * 3, 2, 0, 0).plus(update(f32, 2 * mt));
  }

  /** Eight elements of Y a time. */
  private static Instructions update(boolean f32, int times) {
    int accesses = times * (f32 ? 2 : 3);
    return new Instructions(0, accesses, accesses, 0);
  }

  /** 16 mj ranks and 64 columns. */
  private static Instructions outer(boolean f32, int mj) {
    return new Instructions(mj * 8 * (f32 ? 3 : 2), 2 * (f32 ? 2 : 1), 8 * mj, 0);
  }

  /** Returns the traffic of a kernel that streams X, Y, dY or dX; those of the others is small. */
  static Optional<Traffic> traffic(Kernel kernel, DType type) {
    long n = SIZE;
    long d = SIZE;
    long stream = n * d * type.byteSize();
    long zShares = Splits.ceil(d, Splits.columns(n));
    long dUShares = Splits.ceil(d, Splits.BACKWARD_COLUMNS);
    long gShares = Splits.rowSplits(n);
    return Optional.ofNullable(
        switch (kernel) {
          case FORWARD_16, FORWARD_32 -> {
            int downRank = kernel == Kernel.FORWARD_16 ? 16 : 32;
            yield new Traffic(
                16, 3 * stream, 3 * stream + 4 * ((downRank + 16) * d + downRank * n));
          }
          case CONTRACT -> traffic(64, stream + 64 * 4 * n, (zShares - 1) * n + d);
          case UP -> traffic(64, 2 * stream + 64 * 4 * n, zShares * n + d);
          case EXPAND -> traffic(64, 2 * stream + 64 * 4 * n, d);
          case OUTER_16, BACKWARD_UP_16, OUTER_32, BACKWARD_UP_32 -> {
            boolean up = kernel == Kernel.BACKWARD_UP_16 || kernel == Kernel.BACKWARD_UP_32;
            int r = kernel == Kernel.OUTER_16 || kernel == Kernel.BACKWARD_UP_16 ? 16 : 32;
            long results = up ? 2 * n + d : n + d;
            long more = (gShares - 1) * d + (up ? (dUShares - 1) * n + d : 0);
            yield traffic(r, stream + 4L * r * results, more);
          }
          default -> null;
        });
  }

  private static Traffic traffic(int rank, long floor, long moreRows) {
    return new Traffic(rank, floor, floor + 4L * rank * moreRows);
  }
}
