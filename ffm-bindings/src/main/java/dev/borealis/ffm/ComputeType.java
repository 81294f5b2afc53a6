package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;
import java.util.function.IntSupplier;

/** How cuBLAS multiplies and adds, {@code cublasComputeType_t}; sums are always in F32. */
public enum ComputeType {
  /** In F32 at least. */
  F32(CublasApi::CUBLAS_COMPUTE_32F),
  /** In F32 at least, with standardised arithmetic in every phase. */
  F32_PEDANTIC(CublasApi::CUBLAS_COMPUTE_32F_PEDANTIC),
  /** F32 matrices are rounded to F16 for tensor cores. */
  F32_FAST_F16(CublasApi::CUBLAS_COMPUTE_32F_FAST_16F),
  /** F32 matrices are rounded to BF16 for tensor cores. */
  F32_FAST_BF16(CublasApi::CUBLAS_COMPUTE_32F_FAST_16BF),
  /** F32 matrices are rounded to TF32 for tensor cores. */
  F32_FAST_TF32(CublasApi::CUBLAS_COMPUTE_32F_FAST_TF32);

  // A supplier, because the bindings initialise only where native access is allowed; it is
  // immutable.
  @SuppressWarnings("ImmutableEnumChecker")
  private final IntSupplier code;

  ComputeType(IntSupplier code) {
    this.code = code;
  }

  int code() {
    return code.getAsInt();
  }
}
