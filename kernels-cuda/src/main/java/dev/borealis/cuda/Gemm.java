package dev.borealis.cuda;

import dev.borealis.ffm.ComputeType;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Cublas;
import dev.borealis.ffm.CublasMatrix;
import dev.borealis.ffm.DataType;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;

/**
 * Products by cuBLAS in one stream, with a workspace of their own: nothing is allocated in a call.
 * Sums are in F32, and F32 matrices are not rounded. For one thread at a time.
 */
final class Gemm implements AutoCloseable {
  // NVIDIA's recommendations.
  private static final long WORKSPACE_BYTES = 4L << 20;
  private static final long HOPPER_WORKSPACE_BYTES = 32L << 20;

  private final Cublas cublas;
  private final DeviceBuffer workspace;

  /** A row-major matrix, perhaps to be taken transposed. */
  record Operand(DeviceMatrix matrix, boolean transposed) {
    static Operand of(DeviceMatrix matrix) {
      return new Operand(matrix, false);
    }

    static Operand transposed(DeviceMatrix matrix) {
      return new Operand(matrix, true);
    }

    /** What is stored by rows is the transpose to cuBLAS, as is the product. */
    private CublasMatrix forCublas() {
      return new CublasMatrix(
          matrix.address(), typeOf(matrix.type()), Math.toIntExact(matrix.ld()), transposed);
    }
  }

  Gemm(Context context, Stream stream) {
    boolean hopper = CudaEngine.isHopperOrLater(context.device());
    cublas = Cublas.create(context);
    DeviceBuffer buffer = null;
    try {
      buffer = DeviceBuffer.allocate(context, hopper ? HOPPER_WORKSPACE_BYTES : WORKSPACE_BYTES);
      cublas.setStream(stream, buffer);
      workspace = buffer;
    } catch (RuntimeException e) {
      cublas.close();
      if (buffer != null) {
        buffer.close();
      }
      throw e;
    }
  }

  /** Whether cuBLAS multiplies matrices of these types into one of that type, rounding it alone. */
  static boolean combines(DType a, DType b, DType c) {
    return a == b && (c == a || c == DType.F32);
  }

  /**
   * Queues C = scale · A B (+ C), all by rows.
   *
   * @param rows of A and C
   * @param columns of B and C
   * @param inner columns of A, rows of B
   */
  void multiply(
      long rows,
      long columns,
      long inner,
      float scale,
      Operand a,
      Operand b,
      DeviceMatrix c,
      boolean accumulate) {
    // By columns: Cᵀ = Bᵀ Aᵀ.
    cublas.gemm(
        Math.toIntExact(columns),
        Math.toIntExact(rows),
        Math.toIntExact(inner),
        scale,
        b.forCublas(),
        a.forCublas(),
        accumulate ? 1 : 0,
        Operand.of(c).forCublas(),
        ComputeType.F32);
  }

  private static DataType typeOf(DType type) {
    return switch (type) {
      case F32 -> DataType.F32;
      case BF16 -> DataType.BF16;
      case F16 -> DataType.F16;
    };
  }

  @Override
  public void close() {
    try {
      cublas.close();
    } finally {
      workspace.close();
    }
  }
}
