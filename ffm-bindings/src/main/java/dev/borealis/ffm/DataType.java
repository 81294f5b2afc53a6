package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;

/** Type of a matrix's elements. */
public enum DataType {
  /** IEEE 754 binary32. */
  F32(CublasApi.CUDA_R_32F()),
  /** IEEE 754 binary16. */
  F16(CublasApi.CUDA_R_16F()),
  /** bfloat16: binary32 without its lower half. */
  BF16(CublasApi.CUDA_R_16BF());

  private final int code;

  DataType(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
