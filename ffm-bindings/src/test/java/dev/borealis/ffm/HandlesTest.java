package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What the handles refuse, and what reaches the driver; against the stand-in. */
class HandlesTest {
  private @Nullable Context opened;

  @BeforeEach
  void load() throws Exception {
    StandIn.load();
    opened = Context.primary(Device.of(0));
  }

  @AfterEach
  void nothingIsMisusedOrLeftBehind() {
    if (opened != null) {
      opened.close();
      assertEquals("", StandIn.misuse());
      assertEquals(0, StandIn.live());
    }
  }

  private Context context() {
    if (opened == null) {
      throw new IllegalStateException("no context");
    }
    return opened;
  }

  @Test
  void theDeviceTellsWhatItIs() {
    Device device = context().device();
    assertEquals("stand-in, not a GPU", device.name());
    assertEquals(5L << 30, device.totalMemory());
    assertEquals(90, device.computeCapability());
    assertEquals(1016, device.attribute(DeviceAttribute.MULTIPROCESSOR_COUNT));
    assertEquals(13000, Cuda.driverVersion());
    assertEquals("12.6.3", Cublas.libraryVersion());
    assertEquals(3L << 30, context().freeMemory());
  }

  @Test
  void aDriverThatFindsNoDeviceIsUnavailable() {
    StandIn.setNoDevice(true);
    assertEquals("unavailable: cuInit: CUDA_ERROR_NO_DEVICE (100)", Cuda.unavailable().orElse(""));
    StandIn.setNoDevice(false);
    assertTrue(Cuda.unavailable().isEmpty());
    assertTrue(Cublas.unavailable().isEmpty());
  }

  @Test
  void closingTwiceDoesNothingAndAClosedHandleSaysSo() {
    Stream stream = Stream.create(context());
    Event event = Event.create(context());
    DeviceBuffer buffer = DeviceBuffer.allocate(context(), 8);
    PinnedBuffer pinned = PinnedBuffer.allocate(context(), 8);
    MemorySegment segment = pinned.segment();
    CudaModule module = CudaModule.load(context(), Scenario.MODULE);
    Launch launch = module.function("axpy").launch();
    for (AutoCloseable handle : List.of(stream, event, buffer, pinned, module)) {
      assertClosesOnce(handle);
    }
    assertClosed("Stream is closed", stream::synchronize);
    assertClosed("Event is closed", event::isDone);
    assertClosed("DeviceBuffer is closed", buffer::address);
    assertClosed("PinnedBuffer is closed", pinned::segment);
    assertClosed("CudaModule is closed", () -> module.function("axpy"));
    Stream open = Stream.create(context());
    assertClosed("CudaModule is closed", () -> launch.arguments().on(open));
    assertThrows(IllegalStateException.class, () -> segment.get(JAVA_BYTE, 0));
    context().close();
    assertClosed("Stream is closed", open::synchronize);
    assertClosed("Context is closed", () -> Stream.create(context()));
  }

  private static void assertClosesOnce(AutoCloseable handle) {
    try {
      handle.close();
      int calls = StandIn.calls();
      handle.close();
      assertEquals(calls, StandIn.calls(), "a second close calls nothing");
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static void assertClosed(String message, Executable use) {
    int calls = StandIn.calls();
    assertEquals(message, assertThrows(IllegalStateException.class, use).getMessage());
    assertEquals(calls, StandIn.calls(), "nothing is called");
  }

  @Test
  void borrowedMemoryIsNotReleased() {
    Stream stream = Stream.create(context());
    DeviceBuffer whole = DeviceBuffer.allocate(context(), 16);
    DeviceBuffer part = DeviceBuffer.borrow(context(), whole.address() + 4, 8);
    part.fill(0, 8, (byte) 1, stream);
    assertThrows(IndexOutOfBoundsException.class, () -> part.fill(1, 8, (byte) 1, stream));
    part.close();
    whole.fill(0, 16, (byte) 2, stream);
    whole.close();
  }

  @Test
  void twoContextsOfADeviceShareItButNotTheirHandles() {
    try (Context other = Context.primary(Device.of(0))) {
      Stream stream = Stream.create(context());
      Stream foreign = Stream.create(other);
      Event event = Event.create(other);
      DeviceBuffer buffer = DeviceBuffer.allocate(context(), 4);
      assertRefused("Event is of another context than Stream", () -> stream.waitFor(event));
      assertRefused("Stream is of another context than Event", () -> event.record(stream));
      assertRefused(
          "Stream is of another context than DeviceBuffer",
          () -> buffer.fill(0, 4, (byte) 1, foreign));
    }
    assertTrue(context().isOpen());
    context().synchronize();
  }

  @Test
  void anotherThreadNeedsNoPreparation() throws InterruptedException {
    Stream stream = Stream.create(context());
    var failure = new AtomicReference<@Nullable Throwable>();
    Thread thread =
        Thread.ofPlatform()
            .uncaughtExceptionHandler((_, e) -> failure.set(e))
            .start(() -> {
              stream.synchronize();
              stream.close();
            });
    thread.join();
    assertEquals(null, failure.get());
    assertFalse(stream.isOpen());
  }

  @Test
  void copiesStayInsideTheirBuffers() {
    Stream stream = Stream.create(context());
    DeviceBuffer buffer = DeviceBuffer.allocate(context(), 8);
    DeviceBuffer large = DeviceBuffer.allocate(context(), 16);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment nine = arena.allocate(9);
      MemorySegment four = arena.allocateFrom(JAVA_FLOAT, 7);
      assertOutside(() -> buffer.copyFrom(nine, stream));
      assertOutside(() -> buffer.copyTo(nine, stream));
      assertOutside(() -> buffer.copyFrom(5, four, stream));
      assertOutside(() -> buffer.copyFrom(-1, four, stream));
      assertOutside(() -> buffer.copyTo(5, four, stream));
      assertOutside(() -> buffer.fill(1, 8, (byte) 0, stream));
      assertOutside(() -> buffer.fill(0, -1, (byte) 0, stream));
      assertOutside(() -> buffer.copyFrom(0, large, 9, 8, stream));
      assertOutside(() -> buffer.copyFrom(1, large, 0, 8, stream));
      assertRefused(
          "a copy needs native memory; this segment is on the heap",
          () -> buffer.copyFrom(MemorySegment.ofArray(new byte[8]), stream));
      assertRefused(
          "the target of a copy must be writable", () -> buffer.copyTo(four.asReadOnly(), stream));

      buffer.fill(0, 8, (byte) 1, stream);
      buffer.copyFrom(4, four, stream);
      large.copyFrom(8, buffer, 0, 8, stream);
      MemorySegment back = arena.allocate(JAVA_FLOAT, 2);
      large.copyTo(8, back, stream);
      assertArrayEquals(
          new float[] {Float.intBitsToFloat(0x01010101), 7}, back.toArray(JAVA_FLOAT));
    }
    assertRefused("a buffer has at least 1 byte, not 0", () -> DeviceBuffer.allocate(context(), 0));
    assertRefused(
        "a buffer has at least 1 byte, not -1", () -> PinnedBuffer.allocate(context(), -1));
  }

  private static void assertOutside(Executable copy) {
    int calls = StandIn.calls();
    assertThrows(IndexOutOfBoundsException.class, copy);
    assertEquals(calls, StandIn.calls(), "nothing is called");
  }

  private static void assertRefused(String message, Executable use) {
    int calls = StandIn.calls();
    assertEquals(message, assertThrows(IllegalArgumentException.class, use).getMessage());
    assertEquals(calls, StandIn.calls(), "nothing is called");
  }

  @Test
  void aStreamOrEventThatIsNotReadyIsNotDone() {
    Stream stream = Stream.create(context());
    Event event = Event.create(context());
    assertTrue(stream.isDone());
    StandIn.setNotReady(true);
    assertFalse(stream.isDone());
    assertFalse(event.isDone());
  }

  @Test
  void memoryOfAClosedStreamIsFreedNevertheless() {
    Stream stream = Stream.create(context());
    DeviceBuffer buffer = DeviceBuffer.allocateAsync(stream, 8);
    stream.close();
    buffer.close();
    assertFalse(buffer.isOpen());
  }

  @Test
  void aModuleThatCannotBeLoadedGivesTheCompilersLog() {
    byte[] bad = "bad".getBytes(StandardCharsets.UTF_8);
    CudaException e = assertThrows(CudaException.class, () -> CudaModule.load(context(), bad));
    assertEquals(
        "cuModuleLoadDataEx(3 bytes): CUDA_ERROR_NO_BINARY_FOR_GPU (209): syntax error near line 1",
        e.getMessage());
    CudaModule module = CudaModule.load(context(), Scenario.MODULE);
    e = assertThrows(CudaException.class, () -> module.function("none"));
    assertEquals("cuModuleGetFunction(none)", e.call());
    assertEquals("CUDA_ERROR_NOT_FOUND", e.name());
  }

  @Test
  void aLaunchHandsOnItsConfiguration() {
    Stream stream = Stream.create(context());
    DeviceBuffer data = DeviceBuffer.allocate(context(), 8);
    CudaFunction axpy = CudaModule.load(context(), Scenario.MODULE).function("axpy");
    Launch launch = axpy.launch().grid(2, 3, 4).block(5, 6, 7).dynamicSharedBytes(8);
    launch.arguments().pointer(data).pointer(data.address()).int32(2).float32(1).on(stream);
    assertEquals(List.of(2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0), StandIn.lastLaunch());
    assertEquals(0, launch.maxActiveClusters());

    launch.cluster(2, 1, 4).cooperative(true).programmaticStreamSerialization(true).on(stream);
    assertEquals(List.of(2, 3, 4, 5, 6, 7, 8, 2, 1, 4, 1, 1, 3), StandIn.lastLaunch());
    assertEquals(16, launch.maxActiveClusters());
    assertEquals(
        "axpy, grid 2×3×4, block 5×6×7, cluster 2×1×4, 8 bytes of dynamic shared memory",
        launch.toString());

    launch.cooperative(false).grid(1).block(1).on(stream);
    assertEquals(List.of(1, 1, 1, 1, 1, 1, 8, 2, 1, 4, 0, 1, 2), StandIn.lastLaunch());
  }

  @Test
  void aLaunchRefusesWhatTheKernelDoesNotTake() {
    Stream stream = Stream.create(context());
    CudaFunction axpy = CudaModule.load(context(), Scenario.MODULE).function("axpy");
    Launch launch = axpy.launch();
    assertRefused("axpy takes 8 bytes as argument 0, not 4 bytes", () -> launch.int32(1));
    assertRefused("axpy takes 4 arguments, not 0", () -> launch.on(stream));
    launch.arguments().pointer(0).int64(0);
    assertRefused(
        "axpy takes 4 bytes as argument 2, not 3 bytes",
        () -> launch.struct(MemorySegment.ofArray(new byte[3])));
    launch.struct(MemorySegment.ofArray(new int[] {0})).float32(0);
    assertRefused("axpy takes nothing as argument 4, not 4 bytes", () -> launch.float32(0));
    assertRefused("grid of 0×1×1", () -> launch.grid(0));
    assertRefused("block of 1×-1×1", () -> launch.block(1, -1, 1));
    assertRefused("cluster of 0×0×0", () -> launch.cluster(0, 0, 0));
    assertRefused("dynamic shared memory of -1 bytes", () -> launch.dynamicSharedBytes(-1));
  }

  @Test
  void aRecordingWhoseWorkThrowsIsDropped() {
    Stream stream = Stream.create(context());
    DeviceBuffer data = DeviceBuffer.allocate(context(), 8);
    int live = StandIn.live();
    var failure = new IllegalArgumentException("on purpose");
    Runnable work =
        () -> {
          data.fill(0, 8, (byte) 0, stream);
          throw failure;
        };
    assertEquals(failure, assertThrows(RuntimeException.class, () -> Graph.capture(stream, work)));
    assertEquals(live, StandIn.live());
    try (Graph graph = Graph.capture(stream, () -> data.fill(0, 8, (byte) 0, stream))) {
      assertEquals(1, graph.nodeCount());
    }
  }

  @Test
  void aWorkspaceIsSetBehindTheStreamThatWouldResetIt() {
    Stream stream = Stream.create(context());
    DeviceBuffer workspace = DeviceBuffer.allocate(context(), 64);
    Cublas cublas = Cublas.create(context());
    assertEquals(120603, cublas.version());
    cublas.setStream(stream, workspace);
    assertEquals(workspace.address(), StandIn.workspace());
    cublas.setStream(stream);
    assertEquals(0, StandIn.workspace());
  }

  @Test
  void aProductRefusesShapesThatDoNotFit() {
    Cublas cublas = Cublas.create(context());
    var three = new CublasMatrix(0, DataType.F32, 3, false);
    var transposed = new CublasMatrix(0, DataType.F32, 3, true);
    assertRefused(
        "A: leading dimension 3, but a stored column has 4 elements",
        () -> cublas.gemm(4, 1, 1, 1, three, three, 0, three, ComputeType.F32));
    assertRefused(
        "B: leading dimension 3, but a stored column has 4 elements",
        () -> cublas.gemm(1, 4, 1, 1, three, transposed, 0, three, ComputeType.F32));
    assertRefused(
        "the result can't be transposed",
        () -> cublas.gemm(1, 1, 1, 1, three, three, 0, transposed, ComputeType.F32));
    assertRefused(
        "m 1, n -1, k 1", () -> cublas.gemm(1, -1, 1, 1, three, three, 0, three, ComputeType.F32));
    assertRefused("leading dimension 0", () -> new CublasMatrix(0, DataType.F32, 0, false));
    var half = new CublasMatrix(0, DataType.F16, 3, false);
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> cublas.gemm(1, 1, 1, 1, half, three, 0, three, ComputeType.F32));
    assertEquals("CUBLAS_STATUS_NOT_SUPPORTED", e.name());
    assertEquals("cublasGemmEx(m 1, n 1, k 1, F32)", e.call());
  }
}
