/** CUDA driver and cuBLAS through the foreign function and memory API. */
module dev.borealis.ffm {
  requires static org.jspecify;

  exports dev.borealis.ffm;
}
