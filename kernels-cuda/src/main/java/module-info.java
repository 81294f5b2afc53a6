/** The CUDA backend. */
module dev.borealis.cuda {
  requires transitive dev.borealis.kernels;
  requires dev.borealis.ffm;
  requires static org.jspecify;

  provides dev.borealis.backend.BackendProvider with
      dev.borealis.cuda.CudaBackend;
}
