package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.SplineMode;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Device;
import dev.borealis.serving.AdapterBatch;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The kernels under ThreadSanitizer, every CUDA thread a thread to it. A JVM can't run under it:
 * the stand-in notes the launches that the real backend makes, and a C++ program runs them again.
 */
@Tag(RunAll.APART)
class RaceTest {
  private static final Path LAUNCHES = StandInLibrary.FOLDER.resolve("launches");
  private static final String FAULT = "WARNING: ThreadSanitizer: data race";

  /** What the replaying program said. */
  private record Replay(int status, String output) {}

  @BeforeAll
  static void onTheStandInOnly() throws IOException, InterruptedException {
    StandIn.assumeUsed();
    boolean there = StandInLibrary.hasRuntime("tsan");
    if (!there) {
      System.out.println("Skipped: no search for races, since g++ has no libtsan here");
    }
    assumeTrue(there, "no libtsan");
  }

  @AfterEach
  void recordNoMore() {
    StandIn.record(null);
    StandIn.capability(80);
  }

  private static Replay replay(String source, StandIn.Order order)
      throws IOException, InterruptedException {
    StandIn.record(null);
    Path program = StandInLibrary.raceDetector(source);
    Process process =
        new ProcessBuilder(
                program.toString(), LAUNCHES.toString(), order.name().toLowerCase(Locale.ROOT))
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Replay(process.waitFor(), output);
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void aMissingBarrierIsNamedWithBothLines(StandIn.Order order) throws Exception {
    StandIn.record(LAUNCHES);
    PlantedBugsTest.run(PlantedBugsTest.MISSING_BARRIER);
    Replay replay = replay("planted.cu", order);
    String output = replay.output();
    List<String> lines = Files.readAllLines(StandInLibrary.TEST_SOURCES.resolve("planted.cu"));
    assertTrue(replay.status() != 0 && output.contains(FAULT), output);
    assertTrue(output.contains("planted.cu:" + line(lines, "shared[p.bug ==")), output);
    assertTrue(output.contains("planted.cu:" + line(lines, "p.out[p.bug ==")), output);
  }

  private static int line(List<String> lines, String start) {
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).strip().startsWith(start)) {
        return i + 1;
      }
    }
    throw new AssertionError("no line begins with " + start);
  }

  @Test
  void blocksThatWriteTheSamePlaceAreNamed() throws Exception {
    StandIn.record(LAUNCHES);
    PlantedBugsTest.run(PlantedBugsTest.NONE, 2);
    Replay replay = replay("planted.cu", StandIn.Order.FORWARD);
    assertTrue(replay.status() != 0 && replay.output().contains(FAULT), replay::output);
    assertTrue(replay.output().contains("Write of size 4"), replay::output);
  }

  @Test
  void withoutAMistakeNothingIsReported() throws Exception {
    StandIn.record(LAUNCHES);
    for (int i = 0; i < 3; i++) {
      PlantedBugsTest.run(PlantedBugsTest.NONE);
    }
    assertEquals(new Replay(0, "planted 3\n"), replay("planted.cu", StandIn.Order.FORWARD));
  }

  /** A base layer, whose weights are of this type too, and rows of two adapters in one call. */
  private static void baseLayerAndBatch(DType type, Context context, Arena arena) {
    Backend cuda = Backend.require("cuda");
    SplittableRandom random = new SplittableRandom(8);
    int in = 270;
    int out = 60;
    int rows = 40;
    Tensor x = CudaShapesTest.random(random, arena, type, 1, rows, in);
    Tensor y = Tensor.allocate(arena, type, rows, out);
    Tensor w0 = CudaShapesTest.random(random, arena, type, 1, out, in);
    List<AdapterSpec> specs =
        List.of(AdapterSpec.lora(in, out, 3).build(), AdapterSpec.nora(in, out, 20).build());
    // With our products: cuBLAS needs no packed weights.
    CudaEngine engine =
        new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(64, false));
    try (Linear base = new Linear(in, out, engine.prepareLinear(w0, null));
        DeviceStream stream = cuda.stream();
        Adapter first = cuda.prepare(CudaShapesTest.weights(specs.get(0), random, arena));
        Adapter second = cuda.prepare(CudaShapesTest.weights(specs.get(1), random, arena))) {
      base.forward(x, y);
      Tensor deviceX = cuda.allocate(arena, type, rows, in);
      stream.copy(x, deviceX);
      AdapterBatch batch = new AdapterBatch(cuda, new BatchLimits(rows, 2, in, 20), stream, arena);
      int[] numbers = new int[rows];
      for (int row = 0; row < rows; row++) {
        numbers[row] = row % 5 == 0 ? 1 : 0;
      }
      batch.assignRows(2, numbers, rows);
      batch.forward(deviceX, cuda.allocate(arena, type, rows, out), List.of(first, second));
      stream.synchronize();
    }
  }

  /** A training step with a launch of each of its kernels in one way or the other. */
  private record Step(AdapterSpec spec, int tokens, int fusedTokens) {}

  @Tag("exhaustive")
  @ParameterizedTest
  @EnumSource(DType.class)
  void noKernelHasARace(DType type) throws Exception {
    List<Step> steps =
        List.of(
            // Two tiles of dU, two shares of Z; all of one row tile or of two.
            new Step(AdapterSpec.aurora(260, 530, 3).upBias().build(), 33, 0),
            new Step(AdapterSpec.noLora(530, 40, 6).gain().downBias().build(), 34, 64),
            new Step(
                AdapterSpec.noraSwiGlu(40, 70, 9)
                    .inputDropout(0.2)
                    .hiddenDropout(0.2, HiddenDropoutMode.ELEMENT)
                    .build(),
                40,
                0),
            // Two shares of every gradient.
            new Step(AdapterSpec.aurora(40, 36, 18).spline(SplineMode.CHANNEL).build(), 290, 512),
            new Step(AdapterSpec.aurora(20, 36, 2).spline(SplineMode.FULL).build(), 290, 512),
            // Many tokens.
            new Step(AdapterSpec.nora(72, 20, 18).build(), Splits.TALL_TOKENS + 1, 4096),
            new Step(AdapterSpec.aurora(36, 24, 4).staticForm().build(), 9, 512),
            new Step(AdapterSpec.mosLora(24, 20, 70).build(), 9, 512));
    StandIn.record(LAUNCHES);
    CudaAdamWTest optimiser = new CudaAdamWTest();
    optimiser.stepsHaveTheBitsOfTheHost();
    optimiser.close();
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      for (Step step : steps) {
        CudaEngine engine =
            new CudaEngine(
                context, CudaBackend.image(), CudaShapesTest.settings(step.fusedTokens(), false));
        CudaShapesTest.Step.random(step.spec(), step.tokens(), type, arena).run(engine, arena);
      }
      baseLayerAndBatch(type, context, arena);
      CudaMergeTest.merge(AdapterSpec.aurora(70, 66, 4).build(), type, arena);
      StandIn.capability(90);
      CudaEngine clusters =
          new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(512, false));
      DecodeTest.forward(clusters, AdapterSpec.aurora(70, 66, 4).build(), 2, type, arena);
    }
    Replay replay = replay("borealis.cu", StandIn.Order.RANDOM);
    assertEquals(0, replay.status(), replay::output);
    Set<String> expected = new TreeSet<>();
    for (Kernel kernel : Kernel.values()) {
      expected.add(kernel.symbol(type));
    }
    Set<String> came = new TreeSet<>();
    int launches = 0;
    for (String line : replay.output().lines().toList()) {
      String[] parts = line.split(" ", -1);
      if (!parts[0].contains("f32") || type == DType.F32) {
        came.add(parts[0]);
      }
      launches += Integer.parseInt(parts[1]);
    }
    System.out.println(
        "ThreadSanitizer: " + launches + " launches of " + came.size() + " kernels, no race");
    assertEquals(expected, came);
    assertFalse(replay.output().contains("ThreadSanitizer"), replay::output);
  }
}
