package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;
import java.util.function.IntSupplier;

/** What cuBLAS may do to be faster, {@code cublasMath_t}. */
public enum MathMode {
  /** Tensor cores where they don't lower the precision. */
  DEFAULT(CublasApi::CUBLAS_DEFAULT_MATH),
  /** The prescribed precision and standardised arithmetic in every phase. */
  PEDANTIC(CublasApi::CUBLAS_PEDANTIC_MATH),
  /** Products of F32 matrices in TF32, with 10 bits of mantissa. */
  TF32(CublasApi::CUBLAS_TF32_TENSOR_OP_MATH),
  /** As {@link #DEFAULT}, but partial sums are never kept in F16. */
  NO_REDUCED_PRECISION_REDUCTION(CublasApi::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);

  // A supplier, because the bindings initialise only where native access is allowed; it is
  // immutable.
  @SuppressWarnings("ImmutableEnumChecker")
  private final IntSupplier code;

  MathMode(IntSupplier code) {
    this.code = code;
  }

  int code() {
    return code.getAsInt();
  }
}
