package dev.borealis.cuda;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Queues the launches from X to Y, with the kernels of X's type; an F32 output beside 16-bit inputs
 * is a flag of theirs. Waits for nothing and takes no memory from the driver.
 */
final class ForwardPass {
  /** Ranks that one launch does from X to Y. */
  private static final int FUSED_RANK = 16;

  /** Ranks whose φ shares a launch with the up-projection. */
  private static final int UP_RANK = 64;

  // From where on φ with a matrix has a launch of its own.
  private static final int MIXED_RANK = 32;
  private static final int MIXED_TOKENS = 64;

  /** Floats of a row of U in shared memory. */
  private static final int FUSED_PITCH = 24;

  private static final int ROWS = 32;
  private static final int WARPS = 8;
  private static final int BLOCKS_WANTED = 256;

  /** Blocks of a token's cluster in the kernel {@code decode}. */
  static final int DECODE_BLOCKS = 8;

  /** Features whose share of a block leaves room in shared memory. */
  static final int DECODE_FEATURES = 1 << 16;

  /** Floats of shared memory before X: shares, Z, U and φ's scratch. */
  private static final int DECODE_FLOATS = 512;

  /** Ranks of a block of the kernel {@code contract}. */
  static final int SHORT_RANKS = 16;

  /** Bytes of shared memory that one copy of all lanes of a warp fills. */
  private static final long SLOT_BYTES = 512;

  /** Shared memory for what is on its way from memory: 24 slots of each warp. */
  static final long QUEUE_BYTES = WARPS * 24 * SLOT_BYTES;

  /** Shared memory of the kernels {@code forward}: U, and what is on its way. */
  static final long FUSED_BYTES = ROWS * FUSED_PITCH * 4 + QUEUE_BYTES;

  /** Old values of Y in the kernel {@code up}. */
  static final long UP_SLOT_BYTES = WARPS * 8 * SLOT_BYTES;

  private final AdapterSpec spec;
  private final int fusedTokens;
  private final int decodeTokens;

  ForwardPass(AdapterSpec spec, int fusedTokens, int decodeTokens) {
    this.spec = spec;
    this.fusedTokens = fusedTokens;
    this.decodeTokens =
        spec.rank() <= UP_RANK && spec.inFeatures() <= DECODE_FEATURES ? decodeTokens : 0;
  }

  /** Computes n ≥ 1 rows of Y from X; keeps Z if the scratch is for training. */
  void run(
      DeviceMatrix x,
      DeviceMatrix y,
      long n,
      Packed down,
      DeviceWeights weights,
      CallOptions options,
      CudaScratch scratch) {
    PhiWeights phi = weights.callPhi();
    ForwardArguments arguments = scratch.arguments.forward;
    boolean masked = scratch.training;
    float scale = options.scale() * DropoutArguments.hiddenFactor(spec, masked);
    boolean accumulate = options.output() == Update.ACCUMULATE;
    arguments.begin(x, y, n, down, weights, scale, accumulate, scratch.u);
    DropoutArguments.input(arguments.down.mask(), spec, options, masked);
    DropoutArguments.hidden(arguments.phi.mask(), spec, options, masked);
    if (scratch.training) {
      arguments.phi.z(scratch.z);
    }

    float factor = DropoutArguments.inputFactor(spec, masked);
    Parts parts = parts(x, y, n, down, weights, scratch);
    if (n <= decodeTokens && !scratch.training) {
      decode(x, n, scratch);
    } else if (isFused(spec, n, fusedTokens) && (parts.down() == null || parts.up() == null)) {
      fused(x, n, phi, factor, scratch);
    } else {
      inSteps(x, y, n, phi, down, weights, parts, factor, scale, accumulate, scratch);
    }
  }

  /** What cuBLAS does of the two products with BF16 tensors: where null, our own kernels do it. */
  private record Parts(@Nullable PartProducts down, @Nullable PartProducts up) {}

  /**
   * cuBLAS has no masks and no bias. For small ranks our own launches are as good up to a point.
   */
  private Parts parts(
      DeviceMatrix x,
      DeviceMatrix y,
      long n,
      Packed down,
      DeviceWeights weights,
      CudaScratch scratch) {
    boolean few = spec.rank() <= FUSED_RANK && !Splits.isTall(n);
    boolean masked = scratch.training && spec.inputDropout() > 0;
    boolean biased = spec.parameters().contains(Parameter.B_BIAS);
    PartProducts products = few ? null : scratch.partProducts(x.type(), n);
    return new Parts(
        masked || down.parts() == 0 ? null : products,
        biased || weights.up().parts() == 0 || y.type() != DType.BF16 ? null : products);
  }

  /** Whether one launch does the whole call, so that Z has one share. */
  static boolean isFused(AdapterSpec spec, long n, int fusedTokens) {
    return spec.rank() <= FUSED_RANK && n >= fusedTokens;
  }

  /** Without dropout and without keeping Z: a cluster of blocks for each token. */
  private void decode(DeviceMatrix x, long n, CudaScratch scratch) {
    ForwardArguments arguments = scratch.arguments.forward;
    int columns = decodeColumns(spec.inFeatures());
    arguments.down.split(columns);
    arguments.up.split(
        Math.toIntExact(Packed.round(Splits.ceil(spec.outFeatures(), DECODE_BLOCKS), 8)));
    scratch.launches.run(
        Kernel.DECODE, x.type(), DECODE_BLOCKS, n, 1, decodeBytes(columns), arguments.memory);
  }

  /** Columns of X of a block. */
  static int decodeColumns(int inFeatures) {
    return Math.toIntExact(
        Packed.round(Splits.ceil(inFeatures, DECODE_BLOCKS), Packed.COLUMN_TILE));
  }

  /** Shared memory of the kernel {@code decode}. */
  static long decodeBytes(int columns) {
    return (DECODE_FLOATS + columns) * 4L;
  }

  private void fused(DeviceMatrix x, long n, PhiWeights phi, float factor, CudaScratch scratch) {
    boolean wide = phi.downRank() > FUSED_RANK;
    scratch.arguments.forward.phi.shares(new Shares(0, 0, 0, 0, 0), factor);
    scratch.launches.run(
        wide ? Kernel.FORWARD_32 : Kernel.FORWARD_16,
        x.type(),
        Splits.ceil(n, ROWS),
        1,
        1,
        FUSED_BYTES,
        scratch.arguments.forward.memory);
  }

  private void inSteps(
      DeviceMatrix x,
      DeviceMatrix y,
      long n,
      PhiWeights phi,
      Packed down,
      DeviceWeights weights,
      Parts parts,
      float factor,
      float scale,
      boolean accumulate,
      CudaScratch scratch) {
    ForwardArguments arguments = scratch.arguments.forward;
    int in = spec.inFeatures();
    int split = Splits.columns(n, in, phi.downRank());
    long count = Splits.ceil(in, split);
    long rowTiles = Splits.ceil(n, ROWS);
    Gemm gemm = scratch.gemm;
    Launches launches = scratch.launches;
    // cuBLAS has no masks, and multiplies matrices of one type.
    boolean masked = scratch.training && spec.inputDropout() > 0;
    DeviceMatrix a = x.type() == DType.F32 ? down.matrix() : weights.typed(Parameter.A, x.type());
    long ldZ = phi.ldZ();
    if (parts.down() != null) {
      arguments.phi.shares(parts.down().contract(x, n, down, scratch.shares), 1);
    } else if (gemm != null && a != null && !masked) {
      arguments.phi.shares(new Shares(scratch.shares, 1, 0, ldZ, ldZ), 1);
      gemm.multiply(
          n,
          phi.downRank(),
          in,
          1,
          Gemm.Operand.of(x),
          Gemm.Operand.transposed(a),
          new DeviceMatrix(scratch.shares, ldZ, DType.F32),
          false);
    } else {
      arguments.down.shares(scratch.shares, split);
      arguments.phi.shares(new Shares(scratch.shares, count, n * ldZ, ldZ, ldZ), factor);
      contract(x.type(), n, in, phi.downRank(), arguments.downAlone, launches);
    }
    long columnTiles = Splits.ceil(spec.outFeatures(), 32L * WARPS);
    // Each block of `up` computes φ of its rows: where that is a product of [r, r], and there are
    // rows enough, a launch of its own is better.
    boolean mixes = phi.matrix() != 0 && spec.rank() > MIXED_RANK && n > MIXED_TOKENS;
    boolean together = spec.rank() <= UP_RANK && !Splits.isTall(n) && !mixes;
    if (together && parts.up() == null) {
      long wanted = Math.max(1, BLOCKS_WANTED / rowTiles);
      launches.run(
          Kernel.UP,
          x.type(),
          rowTiles,
          Math.min(columnTiles, wanted),
          1,
          UP_SLOT_BYTES + phi.upBytes(),
          arguments.memory);
    } else {
      arguments.phi.parts(parts.up() == null ? 0 : scratch.uParts);
      launches.run(
          Kernel.PHI_FORWARD,
          Splits.ceil(n, PhiWeights.rows(n)),
          1,
          1,
          phi.forwardBytes(n),
          arguments.phiAlone);
      boolean biased = spec.parameters().contains(Parameter.B_BIAS);
      if (parts.up() != null) {
        parts.up().expand(scratch.uParts, n, weights.up(), y, scale, accumulate);
      } else if (gemm != null && y.type() == DType.F32 && !biased) {
        gemm.multiply(
            n,
            spec.outFeatures(),
            spec.rank(),
            scale,
            Gemm.Operand.of(new DeviceMatrix(scratch.u, phi.ldU(), DType.F32)),
            Gemm.Operand.of(weights.up().matrix()),
            y,
            accumulate);
      } else {
        expand(x.type(), y.type(), n, spec.outFeatures(), arguments.upAlone, launches);
      }
    }
  }

  /** Queues the shares of D Wᵀ, D [n, k] and W [r, k], each of {@link Splits#columns}. */
  static void contract(
      DType type, long n, long k, int r, MemorySegment arguments, Launches launches) {
    boolean tall = Splits.isTall(n);
    launches.run(
        tall ? Kernel.CONTRACT_TALL : Kernel.CONTRACT,
        type,
        Splits.ceil(r, tall ? Splits.TALL_RANKS : SHORT_RANKS),
        Splits.ceil(n, tall ? Splits.TALL_ROWS : ROWS),
        Splits.ceil(k, Splits.columns(n, k, r)),
        tall ? tallBytes(type, r) : QUEUE_BYTES,
        arguments);
  }

  /**
   * Shared memory of the kernel {@code contract_tall}: stages of X's and W's columns, and two tiles
   * of W's columns in halves.
   */
  static long tallBytes(DType type, int r) {
    boolean f32 = type == DType.F32;
    int left = r % Splits.TALL_RANKS;
    // Tiles of 16, 32 or 64 ranks: r's largest.
    int ranks = r >= Splits.TALL_RANKS || left > 32 ? 64 : left > 16 ? 32 : 16;
    long stages = (f32 ? 2 : 3) * (f32 ? 4L : 2L);
    long weightStages = (f32 ? 2 : 3) * (ranks > 32 ? 2L : 1L);
    return WARPS * (stages + weightStages) * SLOT_BYTES + 4L * ranks * (f32 ? 48 : 36) * 4;
  }

  /** Queues U W, U [n, r] and W [r, k]. */
  static void expand(
      DType type, DType out, long n, long k, MemorySegment arguments, Launches launches) {
    launches.run(
        Kernel.EXPAND,
        type,
        Splits.ceil(k, 128),
        Splits.ceil(n, 64),
        1,
        expandBytes(64, out),
        arguments);
  }

  /** Shared memory of the kernels {@code expand}: 32 ranks of U, and old values of the output. */
  static long expandBytes(int rows, DType out) {
    return rows * 2L * 40 * 4 + WARPS * (out == DType.F32 ? 8L : 4L) * SLOT_BYTES;
  }
}
