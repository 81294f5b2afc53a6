package dev.borealis.cuda;

import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Launch;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;

/** One ready-made launch of each kernel, into one stream. For one thread at a time. */
final class Launches {
  private final Launch[][] launches;
  private final Stream stream;

  Launches(CudaModule module, Stream stream) {
    this.stream = stream;
    DType[] types = DType.values();
    this.launches = new Launch[Kernel.values().length][types.length];
    for (Kernel kernel : Kernel.values()) {
      for (DType type : types) {
        launches[kernel.ordinal()][type.ordinal()] =
            module.function(kernel.symbol(type)).launch().block(Kernel.THREADS);
      }
    }
  }

  Stream stream() {
    return stream;
  }

  /** Queues a kernel whose blocks lie along one to three axes. */
  void run(
      Kernel kernel, DType type, long x, long y, long z, long sharedBytes, MemorySegment arguments) {
    launches[kernel.ordinal()][type.ordinal()]
        .grid(Math.toIntExact(x), Math.toIntExact(y), Math.toIntExact(z))
        .dynamicSharedBytes(Math.toIntExact(sharedBytes))
        .arguments()
        .struct(arguments)
        .on(stream);
  }

  /** Queues a kernel that has one version for all types. */
  void run(Kernel kernel, long x, long y, long z, long sharedBytes, MemorySegment arguments) {
    run(kernel, DType.F32, x, y, z, sharedBytes, arguments);
  }
}
