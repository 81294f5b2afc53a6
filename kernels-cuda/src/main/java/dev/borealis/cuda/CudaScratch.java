package dev.borealis.cuda;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Mode;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * All that calls of an adapter need: one block of device memory, the launches and their arguments.
 * For host tensors also a stream and page-locked memory. Freed when the arena closes.
 */
final class CudaScratch implements AdapterKernel.Scratch {
  /** Ranks above this go to cuBLAS. */
  static final int CUBLAS_RANK = 128;

  final boolean training;
  final Launches launches;
  final Arguments arguments;

  /** Null if tensors are on the device. */
  final @Nullable HostTensors host;

  /** Products by cuBLAS, for large ranks where it is to be used; or null. */
  final @Nullable Gemm gemm;

  private final @Nullable PartProducts partProducts;
  private final int partTokens;

  // Device addresses.
  final long z;
  final long u;
  final long shares;
  final long dz;
  final long g;
  final long da;
  final long t;
  final long q;
  final long dvTerms;
  final long dBetaTerms;
  final long outerShares;
  final long columnShares;
  final long staticGradient;

  /** U and dZ as BF16 parts, if there are such products. */
  final long uParts;

  final long dzParts;

  /** What has to be freed. */
  private record Memory(
      DeviceBuffer device,
      @Nullable Stream stream,
      @Nullable PinnedBuffer pinned,
      @Nullable Gemm gemm) {
    static Memory allocate(
        CudaEngine engine,
        long deviceBytes,
        HostTensors.@Nullable Plan host,
        @Nullable CudaQueue queue,
        boolean products) {
      DeviceBuffer device = DeviceBuffer.allocate(engine.context(), deviceBytes);
      Stream stream = null;
      PinnedBuffer pinned = null;
      try {
        if (host != null) {
          stream = Stream.create(engine.context());
          pinned = PinnedBuffer.allocate(engine.context(), host.hostBytes());
        }
        Stream used = queue == null ? Objects.requireNonNull(stream) : queue.stream();
        return new Memory(device, stream, pinned, products ? engine.gemm(used) : null);
      } catch (RuntimeException e) {
        new Memory(device, stream, pinned, null).close();
        throw e;
      }
    }

    void close() {
      if (gemm != null) {
        gemm.close();
      }
      if (pinned != null) {
        pinned.close();
      }
      device.close();
      if (stream != null) {
        stream.close();
      }
    }
  }

  /**
   * Allocates.
   *
   * @param queue what calls are queued in, with tensors on the device; null for host tensors
   */
  CudaScratch(
      CudaEngine engine,
      AdapterSpec spec,
      PhiWeights phi,
      int maxTokens,
      Mode mode,
      @Nullable CudaQueue queue,
      Arena arena) {
    this.training = mode == Mode.TRAINING;
    long n = Math.max(maxTokens, 1);
    int in = spec.inFeatures();
    int out = spec.outFeatures();
    // φ of the static form works on the columns of A.
    long rows = spec.staticForm() ? Math.max(n, in) : n;
    long ldZ = Packed.round(spec.downRank(), Packed.ROW_TILE);
    long ldU = Packed.round(spec.rank(), Packed.ROW_TILE);
    Carver device = new Carver();
    HostTensors.Plan plan = queue == null ? new HostTensors.Plan(device, spec, n, training) : null;
    long zAt = device.floats(n * ldZ);
    long uAt = device.floats(rows * ldU);
    boolean products = spec.rank() > CUBLAS_RANK;
    partTokens = products ? 1 : engine.settings().partTokens();
    partProducts = n < partTokens ? null : PartProducts.of(queue);
    boolean parts = partProducts != null;
    long uPartsAt = device.take(parts ? 2 * PartProducts.hiddenElements(n, ldU) : 0);
    long dzPartsAt = device.take(parts && training ? 2 * PartProducts.hiddenElements(n, ldZ) : 0);
    long down = Splits.contractFloats(n, in, ldZ);
    long up = training ? Splits.contractFloats(n, out, ldU) : 0;
    long sharesOfParts = parts ? 3 * n * Math.max(ldZ, ldU) : 0;
    long sharesAt = device.floats(Math.max(Math.max(down, up), sharesOfParts));
    long dzAt = 0;
    long gAt = 0;
    long daAt = 0;
    long tAt = 0;
    long qAt = 0;
    long dvAt = 0;
    long dBetaAt = 0;
    long outerAt = 0;
    long columnsAt = 0;
    long staticAt = 0;
    if (training) {
      dzAt = device.floats(rows * ldZ);
      gAt = device.floats(rows * ldU);
      daAt = device.floats(rows * ldU);
      tAt = device.floats(rows * ldU);
      qAt = device.floats(rows * Packed.ld(Math.max(phi.bases(), 1)));
      dvAt = device.floats(rows * ldU);
      dBetaAt = device.floats(rows * ldU);
      int rank = spec.rank();
      long bases = Math.max(phi.bases(), 1);
      long outer = Splits.outerFloats(rows, spec.downRank(), in);
      long columns = Splits.columnFloats(n, rank, out);
      for (long k : new long[] {out, rank, bases, rank * bases}) {
        outer = Math.max(outer, Splits.outerFloats(rows, rank, k));
      }
      if (parts) {
        outer = Math.max(outer, 2 * ldZ * Packed.ld(in));
        outer = Math.max(outer, 2 * ldU * Packed.ld(out));
      }
      outerAt = device.floats(outer);
      for (long k : new long[] {spec.downRank(), rank * bases}) {
        columns = Math.max(columns, Splits.columnFloats(rows, 1, k));
      }
      columnsAt = device.floats(columns);
      staticAt = device.floats(spec.staticForm() ? in * ldU : 0);
    }
    Memory owned = Memory.allocate(engine, device.bytes(), plan, queue, products);
    // Nobody closes a workspace; its arena does.
    MemorySegment.NULL.reinterpret(1, arena, ignored -> owned.close());
    DeviceBuffer memory = owned.device();
    Stream stream = queue == null ? Objects.requireNonNull(owned.stream()) : queue.stream();
    this.launches = new Launches(engine.module(), stream);
    this.arguments = new Arguments(Arena.ofAuto());
    this.gemm = owned.gemm();
    this.host =
        plan == null
            ? null
            : new HostTensors(plan, memory, Objects.requireNonNull(owned.pinned()), stream);
    long base = memory.address();
    this.z = base + zAt;
    this.u = base + uAt;
    this.shares = base + sharesAt;
    this.dz = base + dzAt;
    this.g = base + gAt;
    this.da = base + daAt;
    this.t = base + tAt;
    this.q = base + qAt;
    this.dvTerms = base + dvAt;
    this.dBetaTerms = base + dBetaAt;
    this.outerShares = base + outerAt;
    this.columnShares = base + columnsAt;
    this.staticGradient = base + staticAt;
    this.uParts = base + uPartsAt;
    this.dzParts = base + dzPartsAt;
  }

  /** What does the products of so many tokens of this type by cuBLAS, or null. */
  @Nullable PartProducts partProducts(DType type, long n) {
    return type == DType.BF16 && n >= partTokens ? partProducts : null;
  }
}
