package dev.borealis.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
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
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Backends;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Zeros, subnormal numbers, infinities and NaN, as docs/NUMERICS.md says under "Special values".
 */
@Tag("widths")
class SpecialValuesTest {
  private static final int IN = 37;
  private static final int OUT = 41;
  private static final int N = 60;
  private static final float INF = Float.POSITIVE_INFINITY;
  private static final float NAN = Float.NaN;

  private final Arena arena = Arena.ofAuto();

  private Tensor filled(float value, long... shape) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, shape);
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, value);
      }
    }
    return tensor;
  }

  private Tensor random(long seed, long n, long d) {
    return Methods.fill(filled(0, n, d), new SplittableRandom(seed), 1);
  }

  private static void assertSameRows(Tensor expected, Tensor came, long except, String name) {
    for (long row = 0; row < expected.rows(); row++) {
      for (long column = 0; row != except && column < expected.columns(); column++) {
        String where = name + " [" + row + ", " + column + "]";
        assertEquals(expected.get(row, column), came.get(row, column), where);
      }
    }
  }

  private static boolean hasNaN(Tensor tensor) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        if (Float.isNaN(tensor.get(row, column))) {
          return true;
        }
      }
    }
    return false;
  }

  private static CallOptions overwrite(AdapterSpec spec) {
    return CallOptions.of(spec).withOutput(Update.OVERWRITE).withDropout(5, 6);
  }

  static Stream<Backend> backends() {
    return Backends.all();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void overwritingDoesNotReadWhatWasThere(Backend backend) {
    for (AdapterSpec spec : Methods.all(IN, OUT, 3, true)) {
      try (Adapter adapter = backend.prepare(Methods.weights(spec, 1, arena))) {
        Workspace workspace = adapter.workspace(N, Mode.TRAINING, arena);
        Tensor x = random(1, N, IN);
        Tensor y = filled(NAN, N, OUT);
        adapter.forward(x, y, overwrite(spec), workspace);
        assertFalse(hasNaN(y), () -> "Y of " + spec);
        Tensor dX = filled(NAN, N, IN);
        AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
        for (Parameter parameter : spec.parameters()) {
          Tensor gradient = gradients.get(parameter);
          gradient.segment().fill((byte) 0xff);
        }
        adapter.backward(x, random(2, N, OUT), dX, gradients, GradientOptions.OVERWRITE, workspace);
        assertFalse(hasNaN(dX), () -> "dX of " + spec);
        for (Parameter parameter : spec.parameters()) {
          assertFalse(hasNaN(gradients.get(parameter)), () -> parameter + " of " + spec);
        }
      }
    }
    try (Linear linear = backend.prepareLinear(random(3, OUT, IN), null)) {
      Tensor y = filled(NAN, N, OUT);
      linear.forward(random(1, N, IN), y);
      assertFalse(hasNaN(y));
      Tensor dX = filled(NAN, N, IN);
      linear.backward(y, dX, Update.OVERWRITE);
      assertFalse(hasNaN(dX));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void oneTokenDoesNoHarmToAnother(Backend backend) {
    // In a whole vector and in the tail; in the first block of tokens and in the last.
    long[][] places = {{0, 3}, {47, 36}, {59, 20}};
    for (AdapterSpec spec : Methods.all(IN, OUT, 3, false)) {
      try (Adapter adapter = backend.prepare(Methods.weights(spec, 1, arena))) {
        Workspace workspace = adapter.workspace(N, Mode.TRAINING, arena);
        Tensor x = random(1, N, IN);
        Tensor dY = random(2, N, OUT);
        Tensor y = filled(0, N, OUT);
        Tensor dX = filled(0, N, IN);
        adapter.forward(x, y, overwrite(spec), workspace);
        adapter.backward(x, dY, dX, null, GradientOptions.OVERWRITE, workspace);
        for (int i = 0; i < places.length; i++) {
          long token = places[i][0];
          for (float bad : new float[] {NAN, INF, -INF}) {
            Tensor badX = random(1, N, IN);
            badX.set(token, places[i][1], bad);
            Tensor badY = filled(0, N, OUT);
            Tensor badDX = filled(0, N, IN);
            AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
            adapter.forward(badX, badY, overwrite(spec), workspace);
            adapter.backward(badX, dY, badDX, gradients, workspace);
            String name = backend.name() + ", " + spec + ", " + bad + " in token " + token;
            assertSameRows(y, badY, token, name + ", Y");
            assertSameRows(dX, badDX, token, name + ", dX");
            if (Float.isNaN(bad)) {
              for (long column = 0; column < OUT; column++) {
                assertTrue(Float.isNaN(badY.get(token, column)), name + ": Y of the token");
              }
              assertTrue(hasNaN(gradients.get(Parameter.A)), name + ": dA");
            }
          }
        }
      }
    }
    try (Linear linear = backend.prepareLinear(random(3, OUT, IN), null)) {
      Tensor y = filled(0, N, OUT);
      linear.forward(random(1, N, IN), y);
      Tensor badX = random(1, N, IN);
      badX.set(50, 36, NAN);
      Tensor badY = filled(0, N, OUT);
      linear.forward(badX, badY);
      assertSameRows(y, badY, 50, "linear");
      assertTrue(Float.isNaN(badY.get(50, 40)));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aDroppedNaNIsStillNaN(Backend backend) {
    AdapterSpec spec = AdapterSpec.lora(IN, OUT, 2).inputDropout(0.9).build();
    Tensor x = random(1, N, IN);
    for (int token = 0; token < N; token++) {
      x.set(token, 20, NAN);
    }
    Tensor y = filled(0, N, OUT);
    try (Adapter adapter = backend.prepare(Methods.weights(spec, 1, arena))) {
      adapter.forward(x, y, overwrite(spec), adapter.workspace(N, Mode.TRAINING, arena));
    }
    assertSameRows(filled(NAN, N, OUT), y, -1, "Y");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void beyondTheLargestNumberOfAType(Backend backend) {
    try (Linear linear = backend.prepareLinear(filled(0x1p15f, 1, 1), null)) {
      Tensor x = Tensor.allocate(arena, DType.F16, 1, 1);
      Tensor y = Tensor.allocate(arena, DType.F16, 1, 1);
      for (float value : new float[] {-4, 4}) {
        x.set(0, 0, value);
        linear.forward(x, y);
        assertEquals(Math.signum(value) * INF, y.get(0, 0));
      }
    }
    try (Linear linear = backend.prepareLinear(filled(Float.MAX_VALUE, 1, 1), null)) {
      Tensor x = Tensor.allocate(arena, DType.BF16, 1, 1);
      Tensor y = Tensor.allocate(arena, DType.BF16, 1, 1);
      x.set(0, 0, -1);
      linear.forward(x, y);
      assertEquals(-INF, y.get(0, 0));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void oneRowOfBTouchesOneColumnOfY(Backend backend) {
    AdapterSpec spec = AdapterSpec.nora(IN, OUT, 3).build();
    AdapterWeights weights = Methods.weights(spec, 1, arena);
    Tensor x = random(1, N, IN);
    Tensor y = filled(0, N, OUT);
    try (Adapter adapter = backend.prepare(weights)) {
      Workspace workspace = adapter.workspace(N, Mode.INFERENCE, arena);
      adapter.forward(x, y, overwrite(spec), workspace);
      for (int row : new int[] {0, 17, OUT - 1}) {
        float old = weights.get(Parameter.B).get(row, 1);
        weights.get(Parameter.B).set(row, 1, NAN);
        weights.markChanged();
        adapter.repack();
        Tensor bad = filled(0, N, OUT);
        adapter.forward(x, bad, overwrite(spec), workspace);
        for (long token = 0; token < N; token++) {
          for (long column = 0; column < OUT; column++) {
            float expected = column == row ? NAN : y.get(token, column);
            assertEquals(expected, bad.get(token, column), "column " + column);
          }
        }
        weights.get(Parameter.B).set(row, 1, old);
        weights.markChanged();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void subnormalNumbersAreKept(Backend backend) {
    AdapterSpec spec = AdapterSpec.lora(IN, OUT, 1).build();
    float[] small = {Float.MIN_VALUE, -Float.MIN_VALUE, 0x1p-140f, -0x1.8p-130f};
    for (int column : new int[] {0, 17, IN - 1}) {
      // Y copies one column of x, and dX the sum of dY.
      AdapterWeights weights = AdapterWeights.allocate(spec, arena);
      weights.get(Parameter.A).set(0, column, 1);
      for (int i = 0; i < OUT; i++) {
        weights.get(Parameter.B).set(i, 0, 1);
      }
      try (Adapter adapter = backend.prepare(weights)) {
        Workspace workspace = adapter.workspace(N, Mode.TRAINING, arena);
        for (float value : small) {
          Tensor x = filled(value, N, IN);
          Tensor y = filled(value, N, OUT);
          adapter.forward(x, y, workspace);
          assertSameRows(filled(2 * value, N, OUT), y, -1, "Y, added");
          Tensor dY = filled(0, N, OUT);
          for (int row = 0; row < N; row++) {
            dY.set(row, OUT - 1, value);
          }
          Tensor dX = filled(0, N, IN);
          adapter.backward(x, dY, dX, null, workspace);
          assertEquals(value, dX.get(N - 1, column), "dX");
        }
      }
      // A subnormal weight times a large x.
      weights.get(Parameter.A).set(0, column, 0x1p-140f);
      try (Adapter adapter = backend.prepare(weights)) {
        Tensor y = filled(0, 1, OUT);
        Workspace workspace = adapter.workspace(1, Mode.INFERENCE, arena);
        adapter.forward(filled(0x1p10f, 1, IN), y, workspace);
        assertEquals(0x1p-130f, y.get(0, OUT - 1));
      }
    }
    Tensor w0 = filled(0, OUT, IN);
    w0.set(OUT - 1, IN - 1, 1);
    try (Linear linear = backend.prepareLinear(w0, null)) {
      for (float value : small) {
        Tensor y = filled(0, 1, OUT);
        linear.forward(filled(value, 1, IN), y);
        assertEquals(value, y.get(0, OUT - 1));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void subnormalNumbersOfHalfTypesAreKept(Backend backend) {
    Tensor w0 = filled(1, 1, 1);
    try (Linear linear = backend.prepareLinear(w0, null)) {
      for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
        float smallest = dtype == DType.F16 ? 0x1p-24f : 0x1p-133f;
        Tensor x = Tensor.allocate(arena, dtype, 1, 1);
        Tensor y = Tensor.allocate(arena, dtype, 1, 1);
        for (float value : new float[] {smallest, -3 * smallest}) {
          x.set(0, 0, value);
          linear.forward(x, y);
          assertEquals(value, y.get(0, 0), dtype.toString());
        }
        x.set(0, 0, INF);
        linear.forward(x, y);
        assertEquals(INF, y.get(0, 0), dtype.toString());
        x.set(0, 0, NAN);
        linear.forward(x, y);
        assertEquals(NAN, y.get(0, 0), dtype.toString());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void zerosOfEitherSignAreZeros(Backend backend) {
    for (AdapterSpec spec : Methods.all(IN, OUT, 3, false)) {
      try (Adapter adapter = backend.prepare(Methods.weights(spec, 1, arena))) {
        Workspace workspace = adapter.workspace(1, Mode.INFERENCE, arena);
        Tensor plus = filled(0, 1, OUT);
        Tensor minus = filled(-0f, 1, OUT);
        adapter.forward(filled(0, 1, IN), plus, workspace);
        adapter.forward(filled(-0f, 1, IN), minus, workspace);
        for (int column = 0; column < OUT; column++) {
          assertTrue(plus.get(0, column) == minus.get(0, column), spec::toString);
        }
      }
    }
  }

  /** One unit without a bound: f(z) at -Inf, +Inf and NaN, and f'(z) at -Inf and +Inf. */
  private void atTheEnds(Backend backend, AdapterSpec spec, float[] values, float[] slopes) {
    AdapterWeights weights = AdapterWeights.allocate(spec, arena);
    for (Parameter parameter : spec.parameters()) {
      Tensor tensor = weights.get(parameter);
      for (long row = 0; row < tensor.rows(); row++) {
        for (long column = 0; column < tensor.columns(); column++) {
          tensor.set(row, column, 1);
        }
      }
    }
    float[] ends = {-INF, INF, NAN};
    try (Adapter adapter = backend.prepare(weights)) {
      Workspace workspace = adapter.workspace(3, Mode.TRAINING, arena);
      Tensor x = Tensor.of(ends.clone(), 3, 1);
      Tensor y = filled(0, 3, 1);
      Tensor dX = filled(0, 3, 1);
      adapter.forward(x, y, overwrite(spec), workspace);
      adapter.backward(x, filled(1, 3, 1), dX, null, GradientOptions.OVERWRITE, workspace);
      for (int i = 0; i < 3; i++) {
        String name = backend.name() + ", " + spec.nonlinearity() + " at " + ends[i];
        assertEquals(values[i], y.get(i, 0), 1e-6f, name);
        if (i < 2) {
          assertEquals(slopes[i], dX.get(i, 0), 1e-6f, name + ", slope");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void nonlinearitiesAtInfinityAndNaN(Backend backend) {
    for (Activation f : Activation.values()) {
      float[] values =
          switch (f) {
            case IDENTITY, LEAKY_RELU -> new float[] {-INF, INF, NAN};
            case RELU -> new float[] {0, INF, NAN};
            case GELU, GELU_TANH, SILU -> new float[] {NAN, INF, NAN};
            case TANH -> new float[] {-1, 1, NAN};
            case SIGMOID -> new float[] {0, 1, NAN};
          };
      float[] slopes =
          switch (f) {
            case IDENTITY -> new float[] {1, 1};
            case RELU -> new float[] {0, 1};
            case LEAKY_RELU -> new float[] {0.01f, 1};
            case GELU, GELU_TANH, SILU -> new float[] {NAN, NAN};
            case TANH, SIGMOID -> new float[] {0, 0};
          };
      atTheEnds(backend, AdapterSpec.noLora(1, 1, 1, f).build(), values, slopes);
    }
    float[] nan = {NAN, NAN};
    atTheEnds(backend, AdapterSpec.noLora(1, 1, 1).build(), new float[] {NAN, INF, NAN}, nan);
    atTheEnds(
        backend,
        AdapterSpec.mosLora(1, 1, 1).build(),
        new float[] {-INF, INF, NAN},
        new float[] {1, 1});
    atTheEnds(backend, AdapterSpec.noraSwiGlu(1, 1, 1).build(), new float[] {NAN, INF, NAN}, nan);
    // The spline is 0 outside its support, the fixed term tanh(tanh(z)).
    float t = (float) Math.tanh(1);
    atTheEnds(
        backend, AdapterSpec.aurora(1, 1, 1).build(), new float[] {-t, t, NAN}, new float[] {0, 0});
  }
}
