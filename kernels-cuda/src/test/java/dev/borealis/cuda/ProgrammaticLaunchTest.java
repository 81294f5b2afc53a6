package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Chained launches from compute capability 9.0 on; every thread waits for the launch before. */
class ProgrammaticLaunchTest {
  private static final int NEVER_FUSED = Integer.MAX_VALUE;

  @BeforeEach
  void standIn() {
    StandIn.assumeUsed();
  }

  @AfterEach
  void asBefore() {
    StandIn.capability(80);
  }

  private static Map<String, double[]> step(Context context, Arena arena) {
    AdapterSpec spec = AdapterSpec.aurora(300, 290, 8).build();
    CudaEngine engine =
        new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(NEVER_FUSED, false));
    return CudaShapesTest.Step.random(spec, 1, DType.BF16, arena).run(engine, arena);
  }

  @Test
  void theLaunchesOfAStepAreChainedAndHaveTheSameBits() {
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      int before = StandIn.programmaticLaunches();
      Map<String, double[]> unchained = step(context, arena);
      assertEquals(before, StandIn.programmaticLaunches());
      StandIn.capability(90);
      Map<String, double[]> chained = step(context, arena);
      // Forward, and ten of the backward; the weights are packed before.
      int chainedLaunches = StandIn.programmaticLaunches() - before;
      assertTrue(chainedLaunches >= 12, () -> chainedLaunches + " chained launches");
      assertEquals(unchained.keySet(), chained.keySet());
      unchained.forEach((name, values) -> assertArrayEquals(values, chained.get(name), 0, name));
    }
  }

  /** The planted kernel knows of no launch before it. */
  @Test
  void aKernelThatDoesNotWaitIsCaught() {
    StandIn.capability(90);
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, new byte[] {1});
        DeviceBuffer memory = DeviceBuffer.allocate(context, 512);
        Arena arena = Arena.ofConfined()) {
      memory.fill(0, 512, (byte) 0, stream);
      MemorySegment arguments = arena.allocate(24);
      arguments.set(JAVA_LONG, 0, memory.address());
      arguments.set(JAVA_LONG, 8, memory.address() + 256);
      arguments.set(JAVA_INT, 16, 32);
      CudaException e =
          assertThrows(
              CudaException.class,
              () ->
                  module
                      .function("planted")
                      .launch()
                      .block(32)
                      .dynamicSharedBytes(128)
                      .programmaticStreamSerialization(true)
                      .arguments()
                      .struct(arguments)
                      .on(stream));
      assertTrue(
          String.valueOf(e.getMessage()).contains("without having waited for the launch before"),
          e::getMessage);
    }
  }
}
