package dev.borealis.ffm;

import dev.borealis.ffm.generated.CublasApi;
import java.util.Map;

/** Checks of cuBLAS results. */
final class CublasStatus {
  private CublasStatus() {}

  /** Throws if a cuBLAS call failed. */
  static void check(int code, String call) {
    if (code != CublasApi.CUBLAS_STATUS_SUCCESS()) {
      throw failure(code, call);
    }
  }

  static CudaException failure(int code, String call) {
    return new CudaException(code, names().getOrDefault(code, "unknown status"), call, "");
  }

  /** The names are here, so no call has to be made to a library that has just failed. */
  private static Map<Integer, String> names() {
    return Map.of(
        CublasApi.CUBLAS_STATUS_NOT_INITIALIZED(), "CUBLAS_STATUS_NOT_INITIALIZED",
        CublasApi.CUBLAS_STATUS_ALLOC_FAILED(), "CUBLAS_STATUS_ALLOC_FAILED",
        CublasApi.CUBLAS_STATUS_INVALID_VALUE(), "CUBLAS_STATUS_INVALID_VALUE",
        CublasApi.CUBLAS_STATUS_ARCH_MISMATCH(), "CUBLAS_STATUS_ARCH_MISMATCH",
        CublasApi.CUBLAS_STATUS_MAPPING_ERROR(), "CUBLAS_STATUS_MAPPING_ERROR",
        CublasApi.CUBLAS_STATUS_EXECUTION_FAILED(), "CUBLAS_STATUS_EXECUTION_FAILED",
        CublasApi.CUBLAS_STATUS_INTERNAL_ERROR(), "CUBLAS_STATUS_INTERNAL_ERROR",
        CublasApi.CUBLAS_STATUS_NOT_SUPPORTED(), "CUBLAS_STATUS_NOT_SUPPORTED",
        CublasApi.CUBLAS_STATUS_LICENSE_ERROR(), "CUBLAS_STATUS_LICENSE_ERROR");
  }
}
