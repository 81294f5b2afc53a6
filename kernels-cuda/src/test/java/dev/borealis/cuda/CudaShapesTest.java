package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Device;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Shapes that are divided among many blocks, every way from X to Y, and what holds for all calls.
 */
class CudaShapesTest {
  private static final double Y_TOLERANCE = 2e-6;
  private static final double GRADIENT_TOLERANCE = 1e-5;
  private static final int ALWAYS_FUSED = 0;
  private static final int NEVER_FUSED = Integer.MAX_VALUE;

  @AfterEach
  void forwardAgain() {
    StandIn.order(StandIn.Order.FORWARD);
  }

  /** Specification, tokens, type of X and Y. */
  static Stream<Arguments> shapes() {
    return Stream.of(
        // Several shares of Z, several tiles of dU.
        Arguments.of(AdapterSpec.aurora(1100, 1050, 8).build(), 33, DType.F32),
        Arguments.of(AdapterSpec.lora(2100, 70, 16).inputDropout(0.3).build(), 70, DType.BF16),
        // Several shares of every gradient.
        Arguments.of(
            AdapterSpec.noLora(40, 36, 5)
                .gain()
                .upBias()
                .downBias()
                .hiddenDropout(0.2, HiddenDropoutMode.ELEMENT)
                .build(),
            600,
            DType.F16),
        Arguments.of(AdapterSpec.nora(203, 68, 70).build(), 1029, DType.F32),
        Arguments.of(AdapterSpec.aurora(232, 160, 20).build(), 1100, DType.BF16),
        Arguments.of(AdapterSpec.lora(72, 264, 3).build(), 1024, DType.F16),
        Arguments.of(AdapterSpec.aurora(24, 30, 3).spline(SplineMode.FULL).build(), 520, DType.F32),
        Arguments.of(
            AdapterSpec.aurora(24, 30, 3).spline(SplineMode.CHANNEL).build(), 520, DType.BF16),
        Arguments.of(AdapterSpec.aurora(530, 20, 4).staticForm().build(), 12, DType.F32),
        // Ranks with a launch for phi alone, up to the largest.
        Arguments.of(AdapterSpec.mosLora(48, 40, 130).build(), 19, DType.F32),
        Arguments.of(AdapterSpec.noraSwiGlu(48, 40, 512).build(), 9, DType.BF16),
        Arguments.of(AdapterSpec.aurora(40, 48, 512).build(), 9, DType.F32),
        // cuBLAS has no masks and no bias.
        Arguments.of(
            AdapterSpec.noLora(30, 36, 131)
                .gain()
                .hiddenDropout(0.2, HiddenDropoutMode.ELEMENT)
                .build(),
            10,
            DType.F32),
        // The widest of one launch, and of the pair.
        Arguments.of(AdapterSpec.noraSwiGlu(300, 290, 16).build(), 40, DType.F32),
        Arguments.of(AdapterSpec.noraSwiGlu(300, 290, 64).build(), 40, DType.F16),
        Arguments.of(
            AdapterSpec.lora(300, 290, 64)
                .nonlinearity(new Nonlinearity.Pointwise(Activation.GELU))
                .build(),
            65,
            DType.BF16),
        // One token.
        Arguments.of(AdapterSpec.nora(2050, 1030, 16).build(), 1, DType.BF16));
  }

  static AdapterWeights weights(AdapterSpec spec, SplittableRandom random, Arena arena) {
    AdapterWeights weights = AdapterWeights.allocate(spec, arena);
    for (Parameter parameter : spec.parameters()) {
      double bound =
          switch (parameter) {
            case A -> 2 / Math.sqrt(spec.inFeatures());
            case B, H, MIXER, SPLINE -> 2 / Math.sqrt(spec.rank());
            case A_BIAS, B_BIAS, V, BETA, GAIN -> 1.5;
          };
      randomise(weights.get(parameter), random, bound);
    }
    return weights;
  }

  /** The same weights in another type. */
  static AdapterWeights converted(AdapterWeights weights, DType type, Arena arena) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : weights.spec().parameters()) {
      Tensor from = weights.get(parameter);
      Tensor to = Tensor.allocate(arena, type, from.shape());
      for (long row = 0; row < from.rows(); row++) {
        for (long column = 0; column < from.columns(); column++) {
          to.set(row, column, from.get(row, column));
        }
      }
      tensors.put(parameter, to);
    }
    return new AdapterWeights(weights.spec(), tensors);
  }

  static Tensor random(
      SplittableRandom random, Arena arena, DType type, double bound, long rows, long columns) {
    Tensor tensor = Tensor.allocate(arena, type, rows, columns);
    randomise(tensor, random, bound);
    return tensor;
  }

  private static void randomise(Tensor tensor, SplittableRandom random, double bound) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextDouble(-bound, bound));
      }
    }
  }

  static double[] values(Tensor tensor) {
    int columns = Math.toIntExact(tensor.columns());
    double[] values = new double[Math.toIntExact(tensor.rows() * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / columns, i % columns);
    }
    return values;
  }

  /** All inputs and outputs of a training step. */
  record Step(AdapterSpec spec, AdapterWeights weights, Tensor x, Tensor dY, CallOptions options) {
    static Step random(AdapterSpec spec, int tokens, DType type, Arena arena) {
      SplittableRandom random = new SplittableRandom(tokens * 31L + spec.rank());
      AdapterWeights weights = CudaShapesTest.weights(spec, random, arena);
      Tensor x = CudaShapesTest.random(random, arena, type, 1, tokens, spec.inFeatures());
      double bound = 3 / Math.sqrt(spec.outFeatures());
      Tensor dY = CudaShapesTest.random(random, arena, type, bound, tokens, spec.outFeatures());
      CallOptions options = new CallOptions(spec.scale(), Update.OVERWRITE, 77, 5);
      return new Step(spec, weights, x, dY, options);
    }

    /** Y and dX as F32, so that no rounding of results hides an error, and all gradients. */
    Map<String, double[]> run(CudaEngine engine, Arena arena) {
      int tokens = (int) x.rows();
      Map<String, double[]> results = new LinkedHashMap<>();
      try (Adapter adapter = new Adapter(weights, engine.prepare(weights))) {
        Workspace workspace = adapter.workspace(tokens, Mode.TRAINING, arena);
        Tensor y = Tensor.allocate(arena, DType.F32, tokens, spec.outFeatures());
        Tensor dX = Tensor.allocate(arena, DType.F32, tokens, spec.inFeatures());
        AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
        adapter.forward(x, y, options, workspace);
        adapter.backward(x, dY, dX, gradients, GradientOptions.OVERWRITE, workspace);
        results.put("y", values(y));
        results.put("dX", values(dX));
        for (Parameter parameter : spec.parameters()) {
          results.put(parameter.tensorName(), values(gradients.get(parameter)));
        }
      }
      return results;
    }

    Map<String, double[]> expected() {
      AdapterOracle oracle = new AdapterOracle(weights);
      double[] xs = values(x);
      AdapterOracle.Forward forward = oracle.forward(xs, (int) x.rows(), options, true);
      AdapterOracle.Backward backward = oracle.backward(xs, values(dY), forward);
      Map<String, double[]> results = new LinkedHashMap<>();
      results.put("y", forward.y());
      results.put("dX", backward.dX());
      for (Parameter parameter : spec.parameters()) {
        results.put(parameter.tensorName(), backward.gradient(parameter));
      }
      return results;
    }
  }

  private static CudaEngine engine(Context context, int fusedTokens) {
    return engine(context, fusedTokens, false);
  }

  private static CudaEngine engine(Context context, int fusedTokens, boolean cublas) {
    return new CudaEngine(context, CudaBackend.image(), settings(fusedTokens, cublas));
  }

  static CudaEngine.Settings settings(int fusedTokens, boolean cublas) {
    return new CudaEngine.Settings(fusedTokens, CudaEngine.PART_TOKENS, cublas);
  }

  static void requireClose(Map<String, double[]> expected, Map<String, double[]> actual) {
    expected.forEach((name, values) -> {
      double tolerance = name.equals("y") ? Y_TOLERANCE : GRADIENT_TOLERANCE;
      requireClose(name, values, actual.getOrDefault(name, new double[0]), tolerance);
    });
  }

  /** The tolerance is relative to the largest of the values expected. */
  static void requireClose(String name, double[] expected, double[] actual, double tolerance) {
    assertEquals(expected.length, actual.length, name);
    double largest = 0;
    double error = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      double difference = Math.abs(expected[i] - actual[i]);
      error = Math.max(error, Double.isNaN(difference) ? Double.POSITIVE_INFINITY : difference);
    }
    assertTrue(
        error <= tolerance * largest,
        name + ": error " + error + " beside values up to " + largest);
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void everyWayAgreesWithTheOracle(AdapterSpec spec, int tokens, DType type) {
    StandIn.order(StandIn.Order.RANDOM);
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      Step step = Step.random(spec, tokens, type, arena);
      Map<String, double[]> expected = step.expected();
      requireClose(expected, step.run(engine(context, NEVER_FUSED), arena));
      if (spec.rank() <= 16) {
        requireClose(expected, step.run(engine(context, ALWAYS_FUSED), arena));
      }
      if (spec.rank() > 128) {
        int before = StandIn.GPU ? 0 : StandIn.products();
        requireClose(expected, step.run(engine(context, NEVER_FUSED, true), arena));
        // With 16-bit X and dY, Y and dX are F32 here.
        int products = type == DType.F32 ? 6 : 2;
        assertTrue(StandIn.GPU || StandIn.products() - before == products);
      }
    }
  }

  /** cuBLAS multiplies 16-bit tensors with weights of their type, and with no others. */
  @ParameterizedTest
  @EnumSource(DType.class)
  void weightsOf16BitsGoToCublasWithTensorsOfTheirType(DType type) {
    StandIn.assumeUsed();
    AdapterSpec spec = AdapterSpec.mosLora(70, 66, 130).build();
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      Step step = Step.random(spec, 9, DType.BF16, arena);
      AdapterWeights weights = converted(step.weights(), type, arena);
      Step typed = new Step(spec, weights, step.x(), step.dY(), step.options());
      CudaEngine engine = engine(context, NEVER_FUSED, true);
      int before = StandIn.products();
      requireClose(typed.expected(), typed.run(engine, arena));
      // U Bᵀ and dX into F32, and X Aᵀ.
      assertEquals(type == DType.BF16 ? 3 : 2, StandIn.products() - before);
      try (Adapter adapter = new Adapter(weights, engine.prepare(weights))) {
        Tensor y = Tensor.allocate(arena, DType.BF16, 9, spec.outFeatures());
        Tensor dX = Tensor.allocate(arena, DType.F32, 9, spec.inFeatures());
        Workspace workspace = adapter.workspace(9, Mode.TRAINING, arena);
        before = StandIn.products();
        adapter.forward(step.x(), y, step.options(), workspace);
        adapter.backward(step.x(), step.dY(), dX, null, GradientOptions.OVERWRITE, workspace);
        // X Aᵀ and dY B, and dX.
        assertEquals(type == DType.BF16 ? 3 : 1, StandIn.products() - before);
        requireClose(
            Map.of("dX", typed.expected().getOrDefault("dX", new double[0])),
            Map.of("dX", values(dX)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void theSameBitsInEveryOrder(AdapterSpec spec, int tokens, DType type) {
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      Step step = Step.random(spec, tokens, type, arena);
      CudaEngine engine = engine(context, CudaEngine.FUSED_TOKENS);
      Map<String, double[]> first = step.run(engine, arena);
      for (StandIn.Order order : StandIn.Order.values()) {
        StandIn.order(order);
        Map<String, double[]> again = step.run(engine, arena);
        first.forEach((name, values) ->
            assertArrayEquals(
                values, again.getOrDefault(name, new double[0]), 0, name + " " + order));
      }
    }
  }

  /** Rows that begin at no multiple of 16 bytes, with gaps between them that stay as they are. */
  @ParameterizedTest
  @EnumSource(DType.class)
  void rowsNeedNoAlignment(DType type) {
    AdapterSpec spec = AdapterSpec.nora(75, 69, 6).build();
    int tokens = 35;
    long gap = 3;
    long ldX = spec.inFeatures() + gap;
    long ldY = spec.outFeatures() + gap;
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      Step step = Step.random(spec, tokens, type, arena);
      Tensor x = Tensor.allocate(arena, type, tokens * ldX + 1);
      Tensor y = Tensor.allocate(arena, type, tokens * ldY + 1);
      for (int row = 0; row < tokens; row++) {
        for (int column = 0; column < spec.inFeatures(); column++) {
          x.set(0, 1 + row * ldX + column, step.x().get(row, column));
        }
      }
      CudaEngine engine = engine(context, ALWAYS_FUSED);
      try (Adapter adapter = new Adapter(step.weights(), engine.prepare(step.weights()));
          DeviceStream stream = new DeviceStream(engine.location(), engine.queue())) {
        Tensor deviceX = engine.allocate(arena, type, tokens * ldX + 1);
        Tensor deviceY = engine.allocate(arena, type, tokens * ldY + 1);
        stream.copy(x, deviceX);
        adapter.forward(
            deviceX.part(1, tokens, ldX).columnSlice(0, spec.inFeatures()),
            deviceY.part(1, tokens, ldY).columnSlice(0, spec.outFeatures()),
            step.options(),
            adapter.workspace(tokens, Mode.INFERENCE, stream, arena));
        stream.copy(deviceY, y);
        stream.synchronize();
      }
      double[] expected = step.expected().getOrDefault("y", new double[0]);
      // Half of the type's last place beside the kernel's own error.
      double relative = type == DType.F32 ? 0 : type == DType.BF16 ? 0x1p-8 : 0x1p-11;
      for (int row = 0; row < tokens; row++) {
        for (int column = 0; column < ldY; column++) {
          float came = y.get(0, 1 + row * ldY + column);
          if (column >= spec.outFeatures()) {
            assertEquals(0, came, "the gap behind row " + row);
          } else {
            double wanted = expected[row * spec.outFeatures() + column];
            assertEquals(wanted, came, 1e-5 + relative * Math.abs(wanted), row + ", " + column);
          }
        }
      }
    }
  }

  @Test
  void aClosedArenaAndAdapterLeaveNothingOnTheDevice() {
    StandIn.assumeUsed();
    AdapterSpec spec = AdapterSpec.aurora(20, 20, 4).staticForm().build();
    try (Context context = Context.primary(Device.of(0))) {
      CudaEngine engine = engine(context, NEVER_FUSED);
      int before = StandIn.allocations();
      try (Arena arena = Arena.ofShared()) {
        Step step = Step.random(spec, 3, DType.F32, arena);
        step.run(engine, arena);
        assertTrue(StandIn.allocations() > before);
      }
      assertEquals(before, StandIn.allocations());
    }
  }
}
