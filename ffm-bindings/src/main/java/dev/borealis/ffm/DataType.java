package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;
import java.util.function.IntSupplier;

/** Type of a matrix's elements. */
public enum DataType {
  /** IEEE 754 binary32. */
  F32(CublasApi::CUDA_R_32F),
  /** IEEE 754 binary16. */
  F16(CublasApi::CUDA_R_16F),
  /** bfloat16: binary32 without its lower half. */
  BF16(CublasApi::CUDA_R_16BF);

  // A supplier, because the bindings initialise only where native access is allowed; it is
  // immutable.
  @SuppressWarnings("ImmutableEnumChecker")
  private final IntSupplier code;

  DataType(IntSupplier code) {
    this.code = code;
  }

  int code() {
    return code.getAsInt();
  }
}
