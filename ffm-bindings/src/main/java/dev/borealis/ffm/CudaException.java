package dev.borealis.ffm;

/** A call into the CUDA driver or cuBLAS failed. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The result, a {@code CUresult} or {@code cublasStatus_t}. */
  private final int code;

  /** The result's symbolic name. */
  private final String name;

  /** The native function, with the arguments that matter. */
  private final String call;

  /**
   * Creates the exception.
   *
   * @param code the result, a {@code CUresult} or {@code cublasStatus_t}
   * @param name the result's symbolic name, for example {@code CUDA_ERROR_OUT_OF_MEMORY}
   * @param call the native function, with the arguments that matter, for example {@code
   *     cuMemAlloc_v2(1024 bytes)}
   * @param detail what the library says about it, may be empty
   */
  public CudaException(int code, String name, String call, String detail) {
    super(call + ": " + name + " (" + code + ")" + (detail.isEmpty() ? "" : ": " + detail));
    this.code = code;
    this.name = name;
    this.call = call;
  }

  /**
   * Returns the result.
   *
   * @return a {@code CUresult} or {@code cublasStatus_t}, never 0
   */
  public int code() {
    return code;
  }

  /**
   * Returns the result's symbolic name.
   *
   * @return for example {@code CUDA_ERROR_OUT_OF_MEMORY} or {@code CUBLAS_STATUS_NOT_SUPPORTED}
   */
  public String name() {
    return name;
  }

  /**
   * Returns the native function that failed, with the arguments that matter.
   *
   * @return begins with the exported symbol
   */
  public String call() {
    return call;
  }
}
