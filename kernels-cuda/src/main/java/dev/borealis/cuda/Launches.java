package dev.borealis.cuda;

import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Launch;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;

/** One ready-made launch of each kernel, into one stream. For one thread at a time. */
final class Launches {
  private final Map<Kernel, Map<DType, Launch>> launches = new EnumMap<>(Kernel.class);
  private final Stream stream;

  Launches(CudaModule module, Stream stream) {
    this.stream = stream;
    boolean hopper = CudaEngine.isHopperOrLater(stream.context().device());
    for (Kernel kernel : Kernel.values()) {
      Map<DType, Launch> ofKernel = new EnumMap<>(DType.class);
      for (DType type : DType.values()) {
        Launch launch =
            module
                .function(kernel.symbol(type))
                .launch()
                .block(Kernel.THREADS)
                .programmaticStreamSerialization(hopper);
        if (hopper && kernel == Kernel.DECODE) {
          launch.cluster(ForwardPass.DECODE_BLOCKS, 1, 1);
        }
        ofKernel.put(type, launch);
      }
      launches.put(kernel, ofKernel);
    }
  }

  Stream stream() {
    return stream;
  }

  /** Queues a kernel whose blocks lie along one to three axes. */
  void run(
      Kernel kernel,
      DType type,
      long x,
      long y,
      long z,
      long sharedBytes,
      MemorySegment arguments) {
    Objects.requireNonNull(Objects.requireNonNull(launches.get(kernel)).get(type))
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
