/** The CUDA backend, and the way from its streams to those of the driver. */
module dev.borealis.cuda {
  requires transitive dev.borealis.kernels;
  requires transitive dev.borealis.ffm;
  requires static org.jspecify;

  exports dev.borealis.cuda;

  provides dev.borealis.backend.BackendProvider with
      dev.borealis.cuda.CudaBackend;
}
