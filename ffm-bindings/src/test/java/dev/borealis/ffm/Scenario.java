package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * A program that makes every call of the typed layer, and leaves some handles for the context to
 * close.
 */
final class Scenario {
  static final byte[] MODULE = "axpy".getBytes(StandardCharsets.UTF_8);

  private Scenario() {}

  @SuppressWarnings("try") // closes twice on purpose
  static void run() {
    Cuda.driverVersion();
    assertEquals(1, Device.count());
    Device device = Device.of(0);
    device.name();
    device.totalMemory();
    device.computeCapability();
    try (Context context = Context.primary(device);
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, MODULE);
        Arena arena = Arena.ofConfined()) {
      Stream.create(context); // left open on purpose, as is the buffer
      DeviceBuffer.allocate(context, 1);
      context.freeMemory();
      launchAndTime(context, stream, module, arena);
      multiply(context, stream, arena);
      context.synchronize();
      module.close(); // once more at the end of the block
    }
  }

  @SuppressWarnings("try") // closes twice on purpose
  private static void launchAndTime(
      Context context, Stream stream, CudaModule module, Arena arena) {
    CudaFunction axpy = module.function("axpy");
    axpy.attribute(FunctionAttribute.NUM_REGS);
    axpy.setAttribute(FunctionAttribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 65536);
    axpy.maxActiveBlocksPerMultiprocessor(256, 0);
    try (DeviceBuffer x = DeviceBuffer.allocate(context, 16);
        DeviceBuffer y = DeviceBuffer.allocateAsync(stream, 16);
        PinnedBuffer pinned = PinnedBuffer.allocate(context, 16);
        Event start = Event.createTimed(context);
        Event end = Event.createTimed(context);
        Event done = Event.create(context)) {
      start.record(stream);
      x.copyFrom(arena.allocateFrom(JAVA_FLOAT, 1, 2, 3, 4), stream);
      y.fill(0, 16, (byte) 0, stream);
      Launch launch = axpy.launch().block(32);
      launch.maxActiveClusters();
      launch.arguments().pointer(x).pointer(y).int32(4).float32(2).on(stream);
      y.copyTo(pinned.segment(), stream);
      x.copyFrom(0, y, 0, 16, stream);
      end.record(stream);
      done.record(stream);
      stream.waitFor(done);
      stream.isDone();
      end.isDone();
      end.synchronize();
      stream.synchronize();
      assertArrayEquals(new float[] {2, 4, 6, 8}, pinned.segment().toArray(JAVA_FLOAT));
      end.millisecondsSince(start);
      try (Graph graph =
          Graph.capture(
              stream,
              () -> {
                launch.on(stream);
                y.copyTo(pinned.segment(), stream);
              })) {
        assertEquals(2, graph.nodeCount());
        graph.launch(stream);
      }
      y.close();
    }
  }

  private static void multiply(Context context, Stream stream, Arena arena) {
    Cublas.libraryVersion();
    try (Cublas cublas = Cublas.create(context);
        DeviceBuffer workspace = DeviceBuffer.allocate(context, 64);
        DeviceBuffer a = DeviceBuffer.allocate(context, 16);
        DeviceBuffer c = DeviceBuffer.allocate(context, 16)) {
      cublas.version();
      cublas.setMathMode(MathMode.PEDANTIC);
      cublas.setStream(stream, workspace);
      a.copyFrom(arena.allocateFrom(JAVA_FLOAT, 1, 2, 3, 4), stream);
      var matrix = new CublasMatrix(a.address(), DataType.F32, 2, false);
      var transposed = new CublasMatrix(a.address(), DataType.F32, 2, true);
      var result = new CublasMatrix(c.address(), DataType.F32, 2, false);
      cublas.gemm(2, 2, 2, 1, matrix, transposed, 0, result, ComputeType.F32);
      MemorySegment host = arena.allocate(JAVA_FLOAT, 4);
      c.copyTo(host, stream);
      stream.synchronize();
      // [1 3; 2 4] · [1 2; 3 4], column by column.
      assertArrayEquals(new float[] {10, 14, 14, 20}, host.toArray(JAVA_FLOAT));
    }
  }
}
