/** The tensor API, the adapters and their CPU kernels. */
module dev.borealis.kernels {
  requires static jdk.incubator.vector;
  // Transitive, because annotations of its are in our signatures; static, because nobody needs it
  // to run.
  requires static transitive org.jspecify;
  // A warm-up ends when calls don't allocate any more: bytes a thread has allocated.
  requires jdk.management;

  exports dev.borealis.tensor;
  exports dev.borealis.adapter;
  exports dev.borealis.backend;
  exports dev.borealis.device;
  exports dev.borealis.io;
  exports dev.borealis.merge;
  exports dev.borealis.optim;
  exports dev.borealis.serving;

  uses dev.borealis.backend.BackendProvider;

  provides dev.borealis.backend.BackendProvider with
      dev.borealis.internal.cpu.PanamaBackend,
      dev.borealis.internal.reference.ScalarBackend;
}
