package dev.borealis.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Backends;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backend against the oracle: random specifications, shapes, types, strides, memory and
 * options. The oracle gets the very numbers that the backend gets, already rounded to their types.
 */
@Tag("widths")
class BackendPropertyTest {
  private static final int CASES = 160;

  /** Of the largest reference value. */
  private static final double Y_TOLERANCE = 2e-6;

  private static final double GRADIENT_TOLERANCE = 1e-5;

  /**
   * Stands in for the largest reference value where that is smaller: inputs are of order 1, and of
   * the few elements of a tiny output each may have cancelled.
   */
  private static final double FLOOR = 0.1;

  static Stream<Backend> backends() {
    return Backends.all();
  }

  private static Arena arena(SplittableRandom random) {
    return random.nextBoolean() ? Arena.ofShared() : Arena.ofConfined();
  }

  /** The parameters by {@link Tensor#get}, which shares no code with the backends. */
  private static AdapterOracle oracle(AdapterWeights weights) {
    Map<Parameter, double[]> values = new EnumMap<>(Parameter.class);
    for (Parameter parameter : weights.parameters()) {
      values.put(parameter, TestTensor.values(weights.get(parameter)));
    }
    return new AdapterOracle(weights.spec(), values);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void adaptersAgreeWithTheOracle(Backend backend) {
    for (int number = 0; number < CASES; number++) {
      SplittableRandom random = new SplittableRandom(number);
      AdapterSpec spec = RandomAdapters.spec(random, number);
      int tokens = RandomAdapters.tokens(random, spec);
      agrees(backend, random, spec, tokens, "case " + number + ", " + spec);
    }
  }

  /** More than a panel of ranks and of columns, and more tokens than a gradient takes at once. */
  @ParameterizedTest
  @MethodSource("backends")
  void largeRanksAgreeWithTheOracle(Backend backend) {
    SplittableRandom random = new SplittableRandom(11);
    for (AdapterSpec spec : Methods.all(83, 277, 67, true)) {
      agrees(backend, random, spec, 260, spec.toString());
    }
  }

  private static void agrees(
      Backend backend, SplittableRandom random, AdapterSpec spec, int tokens, String name) {
    try (Arena arena = arena(random)) {
      AdapterWeights weights = RandomAdapters.weights(random, spec, arena);
      AdapterOracle oracle = oracle(weights);
      try (Adapter adapter = backend.prepare(weights)) {
        // A second, shorter call meets what the first has left in the workspace.
        Workspace training = adapter.workspace(tokens + random.nextInt(3), Mode.TRAINING, arena);
        Call.random(random, spec, arena, tokens, name + ", first").train(adapter, oracle, training);
        Call.random(random, spec, arena, tokens / 2, name + ", second")
            .train(adapter, oracle, training);
        Workspace inference = adapter.workspace(tokens, Mode.INFERENCE, arena);
        Call.random(random, spec, arena, tokens, name + ", inference")
            .infer(adapter, oracle, inference);
      }
    }
  }

  /** The tensors and options of a forward call, and of the backward that may follow. */
  private record Call(
      String name,
      SplittableRandom random,
      Arena arena,
      CallOptions options,
      TestTensor x,
      TestTensor y) {
    static Call random(
        SplittableRandom random, AdapterSpec spec, Arena arena, int tokens, String name) {
      CallOptions options =
          new CallOptions(
              random.nextBoolean() ? spec.scale() : (float) random.nextDouble(-2, 2),
              RandomAdapters.choose(random, Update.values()),
              random.nextLong(),
              random.nextInt());
      DType type = RandomAdapters.choose(random, DType.values());
      TestTensor x =
          TestTensor.allocate(random, arena, type, tokens, spec.inFeatures()).randomise(random, 1);
      TestTensor y = output(random, arena, type, options.output(), tokens, spec.outFeatures());
      return new Call(
          name + ", " + options + ", x " + x + ", y " + y, random, arena, options, x, y);
    }

    /** Of the input's type or F32; NaN if it is to be overwritten. */
    static TestTensor output(
        SplittableRandom random, Arena arena, DType input, Update update, long... shape) {
      DType type = random.nextBoolean() ? input : DType.F32;
      TestTensor output = TestTensor.allocate(random, arena, type, shape);
      return update == Update.OVERWRITE ? output : output.randomise(random, 1);
    }

    int tokens() {
      return (int) x.tensor.rows();
    }

    void infer(Adapter adapter, AdapterOracle oracle, Workspace workspace) {
      double[] old = y.values();
      adapter.forward(x.tensor, y.tensor, options, workspace);
      requireY(oracle.forward(x.values(), tokens(), options, false), old);
    }

    private void requireY(AdapterOracle.Forward expected, double[] old) {
      require(name + ": y", expected.y(), old, options.output(), y, Y_TOLERANCE);
    }

    void train(Adapter adapter, AdapterOracle oracle, Workspace workspace) {
      double[] old = y.values();
      adapter.forward(x.tensor, y.tensor, options, workspace);
      AdapterOracle.Forward forward = oracle.forward(x.values(), tokens(), options, true);
      requireY(forward, old);

      AdapterSpec spec = adapter.spec();
      DType type = RandomAdapters.choose(random, DType.values());
      TestTensor dY =
          TestTensor.allocate(random, arena, type, tokens(), spec.outFeatures())
              .randomise(random, 3 / Math.sqrt(spec.outFeatures()));
      GradientOptions updates =
          new GradientOptions(
              RandomAdapters.choose(random, Update.values()),
              RandomAdapters.choose(random, Update.values()));
      TestTensor dX =
          random.nextInt(6) == 0
              ? null
              : output(random, arena, type, updates.input(), tokens(), spec.inFeatures());
      Map<Parameter, TestTensor> gradients =
          random.nextInt(6) == 0 ? null : gradients(spec, updates.parameters());
      double[] oldDX = dX == null ? null : dX.values();
      Map<Parameter, double[]> oldGradients = new EnumMap<>(Parameter.class);
      if (gradients != null) {
        gradients.forEach((parameter, tensor) -> oldGradients.put(parameter, tensor.values()));
      }

      adapter.backward(
          x.tensor,
          dY.tensor,
          dX == null ? null : dX.tensor,
          gradients == null ? null : wrap(spec, gradients),
          updates,
          workspace);

      AdapterOracle.Backward expected = oracle.backward(x.values(), dY.values(), forward);
      String prefix = name + ", " + updates + ", dY " + dY + ": ";
      if (dX != null) {
        require(prefix + "dX " + dX, expected.dX(), oldDX, updates.input(), dX, GRADIENT_TOLERANCE);
      }
      if (gradients != null) {
        for (Parameter parameter : spec.parameters()) {
          TestTensor gradient = gradients.get(parameter);
          require(
              prefix + parameter + " " + gradient,
              expected.gradient(parameter),
              oldGradients.get(parameter),
              updates.parameters(),
              gradient,
              GRADIENT_TOLERANCE);
        }
      }
    }

    private Map<Parameter, TestTensor> gradients(AdapterSpec spec, Update update) {
      Map<Parameter, TestTensor> gradients = new EnumMap<>(Parameter.class);
      for (Parameter parameter : spec.parameters()) {
        gradients.put(parameter, output(random, arena, DType.F32, update, spec.shape(parameter)));
      }
      return gradients;
    }

    private static AdapterGradients wrap(AdapterSpec spec, Map<Parameter, TestTensor> gradients) {
      Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
      gradients.forEach((parameter, gradient) -> tensors.put(parameter, gradient.tensor));
      return new AdapterGradients(spec, tensors);
    }
  }

  /** Requires {@code β·old + result} in the output, and nothing beside its elements. */
  private static void require(
      String name,
      double[] result,
      double @Nullable [] before,
      Update update,
      @Nullable TestTensor tensor,
      double tolerance) {
    double[] old = Objects.requireNonNull(before, name);
    TestTensor output = Objects.requireNonNull(tensor, name);
    double[] expected = result.clone();
    double largest = FLOOR;
    for (int i = 0; i < expected.length; i++) {
      expected[i] += update == Update.ACCUMULATE ? old[i] : 0;
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    double[] actual = output.values();
    assertEquals(expected.length, actual.length, name);
    double error = tolerance * largest;
    for (int i = 0; i < expected.length; i++) {
      double allowed = error + halfUlp(output.tensor.dtype(), Math.abs(expected[i]) + error);
      // Negated, so that NaN fails.
      if (!(Math.abs(actual[i] - expected[i]) <= allowed)) {
        int columns = (int) output.tensor.columns();
        String place = "[" + i / columns + ", " + i % columns + "]";
        assertEquals(expected[i], actual[i], allowed, name + ": element " + place);
      }
    }
    output.requireMarginsUntouched(name);
  }

  /** Rounding to a 16-bit type may add half of its last place; F32's is within the tolerance. */
  private static double halfUlp(DType type, double magnitude) {
    int exponent = Math.getExponent(magnitude);
    return switch (type) {
      case F32 -> 0;
      case BF16 -> Math.scalb(0.5, exponent - 7);
      case F16 -> Math.scalb(0.5, Math.max(exponent, -14) - 10);
    };
  }

  @ParameterizedTest
  @MethodSource("backends")
  void linearLayersAgreeWithTheSum(Backend backend) {
    for (int number = 0; number < 40; number++) {
      SplittableRandom random = new SplittableRandom(1000 + number);
      int in = RandomAdapters.features(random);
      int out = RandomAdapters.features(random);
      int tokens = number == 0 ? 0 : random.nextInt(0, 70);
      try (Arena arena = arena(random)) {
        TestTensor w0 =
            TestTensor.allocate(
                    random, arena, RandomAdapters.choose(random, DType.values()), out, in)
                .randomise(random, 2 / Math.sqrt(in));
        TestTensor bias =
            random.nextBoolean()
                ? null
                : TestTensor.allocate(random, arena, DType.F32, out).randomise(random, 1);
        String name = "case " + number + ", w0 " + w0;
        try (Linear linear = backend.prepareLinear(w0.tensor, bias == null ? null : bias.tensor)) {
          linearForward(random, arena, linear, w0, bias, tokens, name);
          linearBackward(random, arena, linear, w0, tokens, name);
        }
      }
    }
  }

  private static double[] linear(
      TestTensor x, TestTensor w0, @Nullable TestTensor bias, int tokens) {
    int in = (int) w0.tensor.columns();
    int out = (int) w0.tensor.rows();
    double[] xs = x.values();
    double[] ws = w0.values();
    double[] y = new double[tokens * out];
    for (int n = 0; n < tokens; n++) {
      for (int o = 0; o < out; o++) {
        double sum = bias == null ? 0 : bias.tensor.get(0, o);
        for (int i = 0; i < in; i++) {
          sum += xs[n * in + i] * ws[o * in + i];
        }
        y[n * out + o] = sum;
      }
    }
    return y;
  }

  private static void linearForward(
      SplittableRandom random,
      Arena arena,
      Linear linear,
      TestTensor w0,
      @Nullable TestTensor bias,
      int tokens,
      String name) {
    DType type = RandomAdapters.choose(random, DType.values());
    TestTensor x =
        TestTensor.allocate(random, arena, type, tokens, linear.inFeatures()).randomise(random, 1);
    TestTensor y = Call.output(random, arena, type, Update.OVERWRITE, tokens, linear.outFeatures());
    double[] old = y.values();
    linear.forward(x.tensor, y.tensor);
    double[] expected = linear(x, w0, bias, tokens);
    require(name + ": y " + y, expected, old, Update.OVERWRITE, y, Y_TOLERANCE);
  }

  private static void linearBackward(
      SplittableRandom random, Arena arena, Linear linear, TestTensor w0, int tokens, String name) {
    int in = linear.inFeatures();
    int out = linear.outFeatures();
    DType type = RandomAdapters.choose(random, DType.values());
    Update update = RandomAdapters.choose(random, Update.values());
    TestTensor dY = TestTensor.allocate(random, arena, type, tokens, out).randomise(random, 1);
    TestTensor dX = Call.output(random, arena, type, update, tokens, in);
    double[] old = dX.values();
    linear.backward(dY.tensor, dX.tensor, update);
    double[] dYs = dY.values();
    double[] ws = w0.values();
    double[] expected = new double[tokens * in];
    for (int n = 0; n < tokens; n++) {
      for (int o = 0; o < out; o++) {
        for (int i = 0; i < in; i++) {
          expected[n * in + i] += dYs[n * out + o] * ws[o * in + i];
        }
      }
    }
    require(name + ": dX " + dX, expected, old, update, dX, GRADIENT_TOLERANCE);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void baseLayerAndAdapterInOneCall(Backend backend) {
    for (int number = 0; number < 24; number++) {
      SplittableRandom random = new SplittableRandom(2000 + number);
      AdapterSpec spec = RandomAdapters.spec(random, number);
      int tokens = RandomAdapters.tokens(random, spec);
      try (Arena arena = arena(random)) {
        AdapterWeights weights = RandomAdapters.weights(random, spec, arena);
        int in = spec.inFeatures();
        TestTensor w0 =
            TestTensor.allocate(random, arena, DType.F32, spec.outFeatures(), in)
                .randomise(random, 2 / Math.sqrt(in));
        TestTensor x = TestTensor.allocate(random, arena, DType.F32, tokens, in);
        x.randomise(random, 1);
        TestTensor y = TestTensor.allocate(random, arena, DType.F32, tokens, spec.outFeatures());
        try (Adapter adapter = backend.prepare(weights);
            Linear linear = backend.prepareLinear(w0.tensor, null)) {
          Workspace workspace = adapter.workspace(tokens, Mode.INFERENCE, arena);
          linear.forward(x.tensor, y.tensor, adapter, workspace);
        }
        CallOptions options = CallOptions.of(spec);
        double[] branch = oracle(weights).forward(x.values(), tokens, options, false).y();
        double[] base = linear(x, w0, null, tokens);
        String name = "case " + number + ", " + spec;
        require(name, branch, base, Update.ACCUMULATE, y, Y_TOLERANCE);
      }
    }
  }

  /** IEEE arithmetic: a token with a NaN has no number in its row of Y, and harms no other. */
  @ParameterizedTest
  @MethodSource("backends")
  void nanStaysInItsToken(Backend backend) {
    for (int number = 0; number < 32; number++) {
      SplittableRandom random = new SplittableRandom(3000 + number);
      AdapterSpec spec = RandomAdapters.spec(random, number);
      int tokens = 11;
      int bad = random.nextInt(tokens);
      try (Arena arena = arena(random)) {
        AdapterWeights weights = RandomAdapters.weights(random, spec, arena);
        TestTensor x = TestTensor.allocate(random, arena, DType.F32, tokens, spec.inFeatures());
        x.randomise(random, 1);
        x.tensor.set(bad, random.nextInt(spec.inFeatures()), Float.NaN);
        TestTensor y = TestTensor.allocate(random, arena, DType.F32, tokens, spec.outFeatures());
        CallOptions options = CallOptions.of(spec).withOutput(Update.OVERWRITE);
        try (Adapter adapter = backend.prepare(weights)) {
          Workspace workspace = adapter.workspace(tokens, Mode.INFERENCE, arena);
          adapter.forward(x.tensor, y.tensor, options, workspace);
        }
        for (int n = 0; n < tokens; n++) {
          for (int o = 0; o < spec.outFeatures(); o++) {
            String place = "case " + number + ", " + spec + ": row " + n + ", NaN in row " + bad;
            if (n == bad) {
              assertTrue(Float.isNaN(y.tensor.get(n, o)), place);
            } else {
              assertFalse(Float.isNaN(y.tensor.get(n, o)), place);
            }
          }
        }
      }
    }
  }
}
