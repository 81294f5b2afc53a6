package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** Run in a JVM of its own, with a driver that can't tell what parameters a kernel takes. */
public final class OldDriverProbe {
  private OldDriverProbe() {}

  /** Launches the stand-in's kernel and prints its result, 2 · 3. */
  public static void main(String[] args) {
    byte[] image = "axpy".getBytes(StandardCharsets.UTF_8);
    try (Arena arena = Arena.ofConfined();
        Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, image);
        DeviceBuffer x = DeviceBuffer.allocate(context, Float.BYTES);
        DeviceBuffer y = DeviceBuffer.allocate(context, Float.BYTES)) {
      MemorySegment host = arena.allocateFrom(JAVA_FLOAT, 3);
      x.copyFrom(host, stream);
      Launch launch = module.function("axpy").launch();
      launch.arguments().pointer(x).pointer(y).int32(1).float32(2).on(stream);
      y.copyTo(host, stream);
      stream.synchronize();
      System.out.println(host.get(JAVA_FLOAT, 0));
    }
  }
}
