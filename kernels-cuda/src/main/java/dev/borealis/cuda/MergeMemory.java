package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The steps of one merge, queued in a stream, and their memory, which is freed when it closes. For
 * one thread.
 */
final class MergeMemory implements AutoCloseable {
  /** Rows and columns of a block of the kernel {@code merge_product}, and its inner index. */
  private static final int TILE = 64;

  private static final int DEPTH = 16;

  /** Shared memory of the kernels of merges that don't depend on a rank: a number a thread. */
  static final long NUMBERS_BYTES = Kernel.THREADS * 8L;

  /** Shared memory of a product: two tiles, of which the transposed one's rows are one longer. */
  static final long PRODUCT_BYTES = (2L * TILE + 1) * DEPTH * Double.BYTES;

  private final CudaEngine engine;
  private final CudaQueue queue;
  private final Arena arena = Arena.ofConfined();

  MergeMemory(CudaEngine engine, CudaQueue queue) {
    this.engine = engine;
    this.queue = queue;
  }

  /** Shared memory of the kernel {@code merge_phi}: z and act(z). */
  static long phiBytes(int rank, int downRank) {
    return (long) Double.BYTES * (rank + downRank);
  }

  long allocate(long bytes) {
    return DeviceMemory.device(engine.context(), bytes, arena).address();
  }

  DoubleMatrix allocate(long rows, long columns) {
    long bytes = Math.multiplyExact(Math.multiplyExact(rows, columns), (long) Double.BYTES);
    return DoubleMatrix.dense(allocate(bytes), rows, columns);
  }

  private void run(
      Kernel kernel,
      DType type,
      long x,
      long y,
      long sharedBytes,
      StructLayout layout,
      Map<String, ? extends Number> members) {
    MemorySegment arguments = arena.allocate(layout);
    members.forEach((name, value) -> {
      long at = Structs.offset(layout, name);
      switch (value) {
        case Long v -> arguments.set(JAVA_LONG, at, v);
        case Integer v -> arguments.set(JAVA_INT, at, v);
        case Double v -> arguments.set(JAVA_DOUBLE, at, v);
        default -> throw new IllegalArgumentException(name + ": " + value);
      }
    });
    queue.launches().run(kernel, type, x, y, 1, sharedBytes, arguments);
  }

  private static int size(long value) {
    return Math.toIntExact(value);
  }

  private static long address(@Nullable DoubleMatrix matrix) {
    return matrix == null ? 0 : matrix.address();
  }

  DoubleMatrix widen(Tensor tensor) {
    DoubleMatrix out = allocate(tensor.rows(), tensor.columns());
    widen(tensor, 1, null, null, out, 0);
    return out;
  }

  /** out = factor · rowGain ⊙ columnGain ⊙ tensor; notes in each row's int what is not finite. */
  void widen(
      Tensor tensor,
      double factor,
      @Nullable DoubleMatrix rowGain,
      @Nullable DoubleMatrix columnGain,
      DoubleMatrix out,
      long notFinite) {
    run(
        Kernel.WIDEN,
        tensor.dtype(),
        tensor.rows(),
        1,
        NUMBERS_BYTES / 2,
        MergeStructs.WIDEN,
        Map.of(
            "in", tensor.deviceAddress(),
            "rowGain", address(rowGain),
            "columnGain", address(columnGain),
            "out", out.address(),
            "notFinite", notFinite,
            "ldIn", tensor.rowStride(),
            "rows", size(tensor.rows()),
            "columns", size(tensor.columns()),
            "factor", factor));
  }

  DoubleMatrix product(DoubleMatrix p, DoubleMatrix q, @Nullable DoubleMatrix addend) {
    DoubleMatrix out = allocate(p.rows(), q.columns());
    product(p, q, addend, out.address(), false);
    return out;
  }

  /** out = P Q + addend, dense, in double or rounded to F32. */
  void product(
      DoubleMatrix p, DoubleMatrix q, @Nullable DoubleMatrix addend, long out, boolean outF32) {
    run(
        Kernel.MERGE_PRODUCT,
        DType.F32,
        Splits.ceil(p.rows(), TILE),
        Splits.ceil(q.columns(), TILE),
        PRODUCT_BYTES,
        MergeStructs.PRODUCT,
        Map.ofEntries(
            Map.entry("p", p.address()),
            Map.entry("q", q.address()),
            Map.entry("addend", address(addend)),
            Map.entry("out", out),
            Map.entry("pRow", p.rowStride()),
            Map.entry("pColumn", p.columnStride()),
            Map.entry("qRow", q.rowStride()),
            Map.entry("qColumn", q.columnStride()),
            Map.entry("addRow", addend == null ? 0L : addend.rowStride()),
            Map.entry("addColumn", addend == null ? 0L : addend.columnStride()),
            Map.entry("rows", size(p.rows())),
            Map.entry("columns", size(q.columns())),
            Map.entry("inner", size(p.columns())),
            Map.entry("outF32", outF32 ? 1 : 0)));
  }

  /** U [rows, r] = v ⊙ φ(Z [rows, r_a]). */
  void phi(MergePhi phi, DoubleMatrix z, @Nullable DoubleMatrix v, DoubleMatrix u) {
    MemorySegment arguments = arena.allocate(MergeStructs.PHI);
    phi.write(arguments);
    set(arguments, "z", z.address());
    set(arguments, "u", u.address());
    set(arguments, "v", address(v));
    set(arguments, "zRow", z.rowStride());
    set(arguments, "zColumn", z.columnStride());
    set(arguments, "uRow", u.rowStride());
    set(arguments, "uColumn", u.columnStride());
    queue
        .launches()
        .run(Kernel.MERGE_PHI, z.rows(), 1, 1, phiBytes(phi.rank(), phi.downRank()), arguments);
  }

  private static void set(MemorySegment arguments, String member, long value) {
    arguments.set(JAVA_LONG, Structs.offset(MergeStructs.PHI, member), value);
  }

  /** Subtracts the columns' means and returns them, [1, columns]. */
  DoubleMatrix centre(DoubleMatrix matrix) {
    DoubleMatrix mean = allocate(1, matrix.columns());
    run(
        Kernel.MERGE_CENTRE,
        DType.F32,
        Splits.ceil(matrix.columns(), 32),
        1,
        NUMBERS_BYTES,
        MergeStructs.CENTRE,
        Map.of(
            "values", matrix.address(),
            "mean", mean.address(),
            "rows", size(matrix.rows()),
            "columns", size(matrix.columns())));
    return mean;
  }

  void add(Tensor delta, Tensor to) {
    run(
        Kernel.MERGE_ADD,
        to.dtype(),
        to.rows(),
        Splits.ceil(to.columns(), Kernel.THREADS),
        0,
        MergeStructs.ADD,
        Map.of(
            "w", to.deviceAddress(),
            "delta", delta.deviceAddress(),
            "ldW", to.rowStride(),
            "rows", size(to.rows()),
            "columns", size(to.columns())));
  }

  /** Returns where a hash of each row goes. */
  long fingerprint(Tensor tensor) {
    long hashes = allocate(tensor.rows() * Long.BYTES);
    run(
        Kernel.FINGERPRINT,
        tensor.dtype(),
        tensor.rows(),
        1,
        NUMBERS_BYTES,
        MergeStructs.FINGERPRINT,
        Map.of(
            "in", tensor.deviceAddress(),
            "hashes", hashes,
            "ldIn", tensor.rowStride(),
            "rows", size(tensor.rows()),
            "columns", size(tensor.columns())));
    return hashes;
  }

  DoubleMatrix upload(double[] values, long rows, long columns) {
    DoubleMatrix matrix = allocate(rows, columns);
    borrow(matrix.address(), values.length * 8L)
        .copyFrom(arena.allocateFrom(JAVA_DOUBLE, values), queue.stream());
    return matrix;
  }

  /** Waits, and returns what a dense matrix has become. */
  double[] download(DoubleMatrix matrix) {
    return download(matrix.address(), matrix.rows() * matrix.columns(), JAVA_DOUBLE)
        .toArray(JAVA_DOUBLE);
  }

  /** Waits, and returns a copy of numbers on the device. */
  MemorySegment download(long address, long count, ValueLayout layout) {
    MemorySegment copy = arena.allocate(layout, count);
    borrow(address, copy.byteSize()).copyTo(copy, queue.stream());
    queue.synchronize();
    return copy;
  }

  private DeviceBuffer borrow(long address, long bytes) {
    return DeviceBuffer.borrow(engine.context(), address, bytes);
  }

  @Override
  public void close() {
    arena.close();
  }
}
