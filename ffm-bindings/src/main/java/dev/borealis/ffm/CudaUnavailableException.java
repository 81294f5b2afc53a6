package dev.borealis.ffm;

/** CUDA or cuBLAS was asked for and can't be used on this machine. */
public final class CudaUnavailableException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param reason one line, as {@link Cuda#unavailable()} gives it
   */
  public CudaUnavailableException(String reason) {
    super(reason);
  }
}
