package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.borealis.ffm.generated.CublasApi;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A cuBLAS handle: matrix products in a stream. One thread at a time.
 *
 * <p>The library is {@code libcublas.so.13} or {@code libcublas.so.12}, found by the system's
 * loader, or the file that the system property {@code borealis.cublas.library} names; read when it
 * is first needed.
 */
public final class Cublas extends Resource {
  private final MemorySegment handle;
  private final MemorySegment alpha;
  private final MemorySegment beta;

  private Cublas(Context context, MemorySegment handle) {
    super(context);
    this.handle = handle;
    Arena arena = Arena.ofAuto(); // freed with this object
    alpha = arena.allocate(JAVA_FLOAT);
    beta = arena.allocate(JAVA_FLOAT);
  }

  /**
   * Says why cuBLAS can't be used here, the reasons why CUDA can't included.
   *
   * @return one line beginning with {@code unavailable: }, or nothing if it can be used
   */
  public static Optional<String> unavailable() {
    return Cuda.unavailable().or(NativeLibrary.CUBLAS::unavailable);
  }

  /**
   * Returns the version of the cuBLAS library; needs no device.
   *
   * @return major.minor.patch, for example {@code 12.6.3}
   * @throws CudaUnavailableException if there is no cuBLAS
   * @throws CudaException if a call fails
   */
  public static String libraryVersion() {
    NativeLibrary.CUBLAS.require();
    return property(CublasApi.MAJOR_VERSION())
        + "."
        + property(CublasApi.MINOR_VERSION())
        + "."
        + property(CublasApi.PATCH_LEVEL());
  }

  /**
   * Creates a handle. It allocates device memory and may wait for the device: create it once.
   *
   * @param context the context it lives in
   * @return the handle, to be closed by the caller
   * @throws CudaUnavailableException if there is no cuBLAS
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails
   */
  public static Cublas create(Context context) {
    NativeLibrary.CUBLAS.require();
    context.makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      CublasStatus.check(CublasApi.cublasCreate_v2(out), "cublasCreate_v2");
      return register(new Cublas(context, out.get(ADDRESS, 0)));
    }
  }

  /**
   * Returns the version of cuBLAS.
   *
   * @return as {@code cublasGetVersion} gives it, for example 120603
   * @throws IllegalStateException if the handle is closed
   * @throws CudaException if a call fails
   */
  public int version() {
    enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      CublasStatus.check(CublasApi.cublasGetVersion_v2(handle, out), "cublasGetVersion_v2");
      return out.get(JAVA_INT, 0);
    }
  }

  /**
   * Queues later products in a stream, with cuBLAS's own workspace.
   *
   * @param stream a stream of the same context
   * @throws IllegalStateException if the handle or the stream is closed
   * @throws IllegalArgumentException if the stream is of another context
   * @throws CudaException if a call fails
   */
  public void setStream(Stream stream) {
    requireTogether(stream);
    enter();
    CublasStatus.check(CublasApi.cublasSetStream_v2(handle, stream.handle()), "cublasSetStream_v2");
  }

  /**
   * Queues later products in a stream, with a workspace of the caller's: nothing is allocated then,
   * not even while recording a {@link Graph}.
   *
   * @param stream a stream of the same context
   * @param workspace a buffer of the same context, used by this stream only, that stays open until
   *     the products are done; NVIDIA recommends 4 MiB, and 32 MiB from compute capability 9.0 on
   * @throws IllegalStateException if the handle, the stream or the workspace is closed
   * @throws IllegalArgumentException if the stream or the workspace is of another context
   * @throws CudaException if a call fails
   */
  public void setStream(Stream stream, DeviceBuffer workspace) {
    requireTogether(workspace);
    setStream(stream); // first, because it goes back to cuBLAS's own workspace
    CublasStatus.check(
        CublasApi.cublasSetWorkspace_v2(
            handle, MemorySegment.ofAddress(workspace.address()), workspace.byteSize()),
        "cublasSetWorkspace_v2(" + workspace.byteSize() + " bytes)");
  }

  /**
   * Sets what later products may do to be faster.
   *
   * @param mode {@link MathMode#DEFAULT} if never called
   * @throws IllegalStateException if the handle is closed
   * @throws CudaException if a call fails
   */
  public void setMathMode(MathMode mode) {
    enter();
    CublasStatus.check(
        CublasApi.cublasSetMathMode(handle, mode.code()), "cublasSetMathMode(" + mode + ")");
  }

  /**
   * Queues C = alpha · A · B + beta · C, column by column.
   *
   * @param m rows of A and C, 0 or more
   * @param n columns of B and C, 0 or more
   * @param k columns of A, rows of B, 0 or more
   * @param alpha factor of the product
   * @param a [m, k], after transposing if it says so
   * @param b [k, n], after transposing if it says so
   * @param beta factor of C; with 0 the old C isn't read
   * @param c [m, n], not transposed; must not overlap a and b
   * @param compute how to multiply and add
   * @throws IllegalStateException if the handle is closed
   * @throws IllegalArgumentException if an extent is negative, a leading dimension is too short, or
   *     c is transposed
   * @throws CudaException if a call fails, for example for types that cuBLAS doesn't combine
   */
  public void gemm(
      int m,
      int n,
      int k,
      float alpha,
      CublasMatrix a,
      CublasMatrix b,
      float beta,
      CublasMatrix c,
      ComputeType compute) {
    requireShapes(m, n, k, a, b, c);
    enter();
    this.alpha.set(JAVA_FLOAT, 0, alpha);
    this.beta.set(JAVA_FLOAT, 0, beta);
    int code =
        CublasApi.cublasGemmEx(
            handle,
            operation(a),
            operation(b),
            m,
            n,
            k,
            this.alpha,
            MemorySegment.ofAddress(a.address()),
            a.type().code(),
            a.leadingDimension(),
            MemorySegment.ofAddress(b.address()),
            b.type().code(),
            b.leadingDimension(),
            this.beta,
            MemorySegment.ofAddress(c.address()),
            c.type().code(),
            c.leadingDimension(),
            compute.code(),
            CublasApi.CUBLAS_GEMM_DEFAULT());
    if (code != CublasApi.CUBLAS_STATUS_SUCCESS()) {
      throw CublasStatus.failure(
          code, "cublasGemmEx(m " + m + ", n " + n + ", k " + k + ", " + compute + ")");
    }
  }

  @Override
  void release() {
    CublasStatus.check(CublasApi.cublasDestroy_v2(handle), "cublasDestroy_v2");
  }

  private static void requireShapes(
      int m, int n, int k, CublasMatrix a, CublasMatrix b, CublasMatrix c) {
    if (m < 0 || n < 0 || k < 0) {
      throw new IllegalArgumentException("m " + m + ", n " + n + ", k " + k);
    }
    if (c.transposed()) {
      throw new IllegalArgumentException("the result can't be transposed");
    }
    a.requireColumns("A", m, k);
    b.requireColumns("B", k, n);
    c.requireColumns("C", m, n);
  }

  private static int operation(CublasMatrix matrix) {
    return matrix.transposed() ? CublasApi.CUBLAS_OP_T() : CublasApi.CUBLAS_OP_N();
  }

  private static int property(int type) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      CublasStatus.check(CublasApi.cublasGetProperty(type, out), "cublasGetProperty(" + type + ")");
      return out.get(JAVA_INT, 0);
    }
  }
}
