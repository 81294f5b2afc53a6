package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Graph;
import dev.borealis.ffm.Stream;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A few tokens in one launch of clusters, from compute capability 9.0 on. */
class DecodeTest {
  private static final int THREADS = 64;
  private static final int BLOCKS = 8;

  @BeforeEach
  void onTheStandInOnly() {
    StandIn.assumeUsed();
    StandIn.capability(90);
  }

  @AfterEach
  void asBefore() {
    StandIn.capability(80);
    StandIn.order(StandIn.Order.FORWARD);
  }

  static List<AdapterSpec> adapters() {
    return List.of(
        // One block has columns; several, the last not all of its own; all.
        AdapterSpec.lora(37, 5, 1).gain().upBias().build(),
        AdapterSpec.aurora(270, 131, 3).spline(SplineMode.SUM).build(),
        AdapterSpec.aurora(530, 70, 4).spline(SplineMode.FULL).build(),
        AdapterSpec.aurora(64, 64, 8).spline(SplineMode.CHANNEL).build(),
        AdapterSpec.aurora(70, 75, 5).staticForm().build(),
        AdapterSpec.noLora(1100, 1027, 17).downBias().inputDropout(0.5).build(),
        AdapterSpec.noraSwiGlu(100, 90, 64).build(),
        AdapterSpec.mosLora(72, 64, 16).build());
  }

  private static CudaEngine engine(Context context) {
    return new CudaEngine(
        context, CudaBackend.image(), CudaShapesTest.settings(Integer.MAX_VALUE, false));
  }

  /** Y, added to, as F32. */
  static double[] forward(
      CudaEngine engine, AdapterSpec spec, int tokens, DType type, Arena arena) {
    SplittableRandom random = new SplittableRandom(3);
    AdapterWeights weights = CudaShapesTest.weights(spec, random, arena);
    Tensor x = CudaShapesTest.random(random, arena, type, 1, tokens, spec.inFeatures());
    Tensor y = CudaShapesTest.random(random, arena, DType.F32, 1, tokens, spec.outFeatures());
    double[] before = CudaShapesTest.values(y);
    CallOptions options = new CallOptions(0.7f, Update.ACCUMULATE, 5, 6);
    try (Adapter adapter = new Adapter(weights, engine.prepare(weights))) {
      adapter.forward(x, y, options, adapter.workspace(tokens, Mode.INFERENCE, arena));
    }
    double[] branch =
        new AdapterOracle(weights).forward(CudaShapesTest.values(x), tokens, options, false).y();
    for (int i = 0; i < branch.length; i++) {
      branch[i] += before[i];
    }
    CudaShapesTest.requireClose(Map.of("y", branch), Map.of("y", CudaShapesTest.values(y)));
    return CudaShapesTest.values(y);
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void agreesWithTheOracleInEveryTypeAndOrder(AdapterSpec spec) {
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      CudaEngine engine = engine(context);
      for (DType type : DType.values()) {
        StandIn.order(StandIn.Order.FORWARD);
        double[] first = forward(engine, spec, 3, type, arena);
        for (StandIn.Order order : StandIn.Order.values()) {
          StandIn.order(order);
          assertArrayEquals(first, forward(engine, spec, 3, type, arena), 0);
        }
      }
    }
  }

  private static int launches(AdapterSpec spec, int tokens, Arena arena) {
    try (Context context = Context.primary(Device.of(0))) {
      CudaEngine engine = engine(context);
      AdapterWeights weights = CudaShapesTest.weights(spec, new SplittableRandom(1), arena);
      Tensor x = engine.allocate(arena, DType.BF16, tokens, spec.inFeatures());
      Tensor y = engine.allocate(arena, DType.BF16, tokens, spec.outFeatures());
      try (DeviceStream stream = new DeviceStream(engine.location(), engine.queue());
          Adapter adapter = new Adapter(weights, engine.prepare(weights))) {
        Workspace workspace = adapter.workspace(tokens, Mode.INFERENCE, stream, arena);
        try (Graph graph =
            Graph.capture(CudaStreams.of(stream), () -> adapter.forward(x, y, workspace))) {
          graph.launch(CudaStreams.of(stream));
          return Math.toIntExact(graph.nodeCount());
        }
      }
    }
  }

  @Test
  void aCallIsOneLaunchThatCanBeRecorded() {
    try (Arena arena = Arena.ofShared()) {
      AdapterSpec spec = AdapterSpec.aurora(300, 290, 16).build();
      assertEquals(1, launches(spec, 1, arena));
      assertEquals(1, launches(spec, 4, arena));
      assertEquals(2, launches(spec, 5, arena));
      assertEquals(3, launches(AdapterSpec.nora(300, 290, 65).build(), 1, arena));
      StandIn.capability(80);
      assertEquals(2, launches(spec, 1, arena));
    }
  }

  private static float[] planted(int bug) {
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, new byte[] {1});
        DeviceBuffer memory = DeviceBuffer.allocate(context, 4L * THREADS * (BLOCKS + 1));
        Arena arena = Arena.ofConfined()) {
      memory.fill(0, 4L * THREADS * (BLOCKS + 1), (byte) 0, stream);
      MemorySegment arguments = arena.allocate(24);
      arguments.set(JAVA_LONG, 0, memory.address());
      arguments.set(JAVA_LONG, 8, memory.address() + 4L * THREADS * BLOCKS);
      arguments.set(JAVA_INT, 16, THREADS);
      arguments.set(JAVA_INT, 20, bug);
      module
          .function("planted_cluster")
          .launch()
          .grid(BLOCKS, 1, 1)
          .block(THREADS)
          .cluster(BLOCKS, 1, 1)
          .dynamicSharedBytes(4 * THREADS)
          .arguments()
          .struct(arguments)
          .on(stream);
      MemorySegment out = arena.allocate(JAVA_FLOAT, (long) THREADS * BLOCKS);
      memory.copyTo(out, stream);
      stream.synchronize();
      return out.toArray(JAVA_FLOAT);
    }
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void blocksOfAClusterReadEachOther(StandIn.Order order) {
    StandIn.order(order);
    float[] out = planted(PlantedBugsTest.NONE);
    for (int i = 0; i < out.length; i++) {
      assertEquals((i / THREADS + 1) % BLOCKS, out[i]);
    }
  }

  /** Somebody reads what isn't written yet, which is NaN. */
  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void aMissingBarrierOfTheClusterShows(StandIn.Order order) {
    StandIn.order(order);
    boolean any = false;
    for (float value : planted(PlantedBugsTest.MISSING_BARRIER)) {
      any |= Float.isNaN(value);
    }
    assertTrue(any);
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void readingABlockThatHasEndedIsCaught(StandIn.Order order) {
    StandIn.order(order);
    CudaException e = assertThrows(CudaException.class, () -> planted(PlantedBugsTest.EARLY_EXIT));
    assertTrue(
        String.valueOf(e.getMessage()).contains("shared memory of a block that has ended"),
        e::getMessage);
  }

  @Test
  void thereAreNoClustersBeforeComputeCapability90() {
    StandIn.capability(80);
    CudaException e = assertThrows(CudaException.class, () -> planted(PlantedBugsTest.NONE));
    assertTrue(String.valueOf(e.getMessage()).contains("no such cluster"), e::getMessage);
  }
}
