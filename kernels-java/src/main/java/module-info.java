/** The tensor API, the adapters and their CPU kernels. */
module dev.borealis.kernels {
  requires static jdk.incubator.vector;
  requires static org.jspecify;

  exports dev.borealis.tensor;
  exports dev.borealis.adapter;
  exports dev.borealis.backend;
  exports dev.borealis.io;
  exports dev.borealis.optim;
}
