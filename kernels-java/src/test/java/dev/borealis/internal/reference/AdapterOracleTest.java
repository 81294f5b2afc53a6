package dev.borealis.internal.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.UnsupportedSpecException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The oracle's gradients are those of the oracle's forward, for every method. */
class AdapterOracleTest {
  private static final int IN = 7;
  private static final int OUT = 5;
  private static final int RANK = 3;
  private static final int TOKENS = 6;
  private static final double STEP = 1e-5;

  static Stream<AdapterSpec> specs() {
    List<AdapterSpec.Builder> builders = new ArrayList<>();
    builders.add(AdapterSpec.lora(IN, OUT, RANK).alpha(5));
    builders.add(AdapterSpec.mosLora(IN, OUT, RANK));
    builders.add(AdapterSpec.noraSwiGlu(IN, OUT, RANK));
    builders.add(AdapterSpec.noLora(IN, OUT, RANK));
    for (Activation activation : Activation.values()) {
      builders.add(AdapterSpec.noLora(IN, OUT, RANK, activation));
    }
    for (Activation activation :
        List.of(Activation.TANH, Activation.LEAKY_RELU, Activation.SIGMOID)) {
      for (SplineMode mode : SplineMode.values()) {
        builders.add(AdapterSpec.aurora(IN, OUT, RANK).activation(activation).spline(mode));
        builders.add(
            AdapterSpec.aurora(IN, OUT, RANK)
                .activation(activation)
                .spline(mode)
                .terms(false, true)
                .grid(new SplineGrid(8, -2, 2)));
      }
      builders.add(AdapterSpec.aurora(IN, OUT, RANK).activation(activation).terms(true, false));
    }
    List<AdapterSpec> specs = new ArrayList<>();
    for (AdapterSpec.Builder builder : builders) {
      specs.add(builder.build());
      AdapterSpec plain = builder.build();
      if (plain.nonlinearity() instanceof Nonlinearity.Aurora) {
        specs.add(builder.staticForm().build());
        specs.add(
            builder
                .gain()
                .modulation()
                .upBias()
                .inputDropout(0.3)
                .hiddenDropout(0.2, HiddenDropoutMode.UNIT)
                .build());
      }
    }
    // Everything optional at once, with both dropouts, for each dynamic φ.
    for (AdapterSpec spec : List.copyOf(specs)) {
      if (!spec.staticForm()) {
        specs.add(
            AdapterSpec.lora(IN, OUT, RANK)
                .nonlinearity(spec.nonlinearity())
                .scale(-1.5)
                .downBias()
                .upBias()
                .gain()
                .modulation()
                .inputDropout(0.25)
                .hiddenDropout(0.3, HiddenDropoutMode.ELEMENT)
                .build());
      }
    }
    return specs.stream();
  }

  private static double[] random(SplittableRandom random, int length, double bound) {
    double[] values = new double[length];
    Arrays.setAll(values, i -> random.nextDouble(-bound, bound));
    return values;
  }

  private static Map<Parameter, double[]> randomParameters(
      AdapterSpec spec, SplittableRandom random) {
    Map<Parameter, double[]> values = new EnumMap<>(Parameter.class);
    Parameters.zeros(spec).forEach((p, zeros) -> values.put(p, random(random, zeros.length, 1)));
    return values;
  }

  @ParameterizedTest
  @MethodSource("specs")
  void gradientsAreCentralDifferences(AdapterSpec spec) {
    SplittableRandom random = new SplittableRandom(17);
    Map<Parameter, double[]> parameters = randomParameters(spec, random);
    double[] x = random(random, TOKENS * IN, 1);
    double[] dY = random(random, TOKENS * OUT, 1);
    CallOptions options = CallOptions.of(spec).withDropout(99, 3);

    AdapterOracle oracle = new AdapterOracle(spec, parameters);
    AdapterOracle.Backward backward =
        oracle.backward(x, dY, oracle.forward(x, TOKENS, options, true));

    requireDifferences("x", backward.dX(), x, spec, parameters, x, dY, options);
    for (Parameter parameter : spec.parameters()) {
      double[] values = Parameters.require(parameters, parameter);
      requireDifferences(
          parameter.tensorName(),
          backward.gradient(parameter),
          values,
          spec,
          parameters,
          x,
          dY,
          options);
    }
  }

  /** Moves each of {@code values}, which the oracle reads, to both sides. */
  private static void requireDifferences(
      String name,
      double[] gradient,
      double[] values,
      AdapterSpec spec,
      Map<Parameter, double[]> parameters,
      double[] x,
      double[] dY,
      CallOptions options) {
    double largest = 0;
    for (double value : gradient) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0, name + " of " + spec + ": all gradients are 0");
    for (int i = 0; i < values.length; i++) {
      double value = values[i];
      values[i] = value + STEP;
      double above = loss(spec, parameters, x, dY, options);
      values[i] = value - STEP;
      double below = loss(spec, parameters, x, dY, options);
      values[i] = value;
      double difference = (above - below) / (2 * STEP);
      assertEquals(difference, gradient[i], 1e-7 * Math.max(1, largest), name + " " + i);
    }
  }

  private static double loss(
      AdapterSpec spec,
      Map<Parameter, double[]> parameters,
      double[] x,
      double[] dY,
      CallOptions options) {
    double[] y = new AdapterOracle(spec, parameters).forward(x, TOKENS, options, true).y();
    return Vectors.dot(y, 0, dY, 0, y.length);
  }

  @Test
  void staticFormIsTheMergedWeight() {
    AdapterSpec dynamic = AdapterSpec.aurora(IN, OUT, RANK).alpha(4).gain().modulation().build();
    AdapterSpec fixed =
        AdapterSpec.aurora(IN, OUT, RANK).alpha(4).gain().modulation().staticForm().build();
    SplittableRandom random = new SplittableRandom(5);
    Map<Parameter, double[]> parameters = randomParameters(fixed, random);
    double[] x = random(random, TOKENS * IN, 1);
    CallOptions options = CallOptions.of(fixed);
    double[] y = new AdapterOracle(fixed, parameters).forward(x, TOKENS, options, false).y();
    double[] delta = new AdapterOracle(dynamic, parameters).mergedDelta(options.scale());
    for (int n = 0; n < TOKENS; n++) {
      for (int o = 0; o < OUT; o++) {
        assertEquals(Vectors.dot(delta, o * IN, x, n * IN, IN), y[n * OUT + o], 1e-13);
      }
    }
  }

  @Test
  void linearMergesAreExact() {
    for (AdapterSpec spec :
        List.of(
            AdapterSpec.lora(IN, OUT, RANK).alpha(7).build(),
            AdapterSpec.mosLora(IN, OUT, RANK).alpha(7).gain().modulation().build())) {
      SplittableRandom random = new SplittableRandom(5);
      AdapterOracle oracle = new AdapterOracle(spec, randomParameters(spec, random));
      double[] x = random(random, TOKENS * IN, 1);
      double[] y = oracle.forward(x, TOKENS, CallOptions.of(spec), false).y();
      double[] delta = oracle.mergedDelta(spec.scale());
      for (int n = 0; n < TOKENS; n++) {
        for (int o = 0; o < OUT; o++) {
          assertEquals(Vectors.dot(delta, o * IN, x, n * IN, IN), y[n * OUT + o], 1e-13);
        }
      }
    }
  }

  @Test
  void otherNonlinearitiesDoNotMerge() {
    for (AdapterSpec spec :
        List.of(
            AdapterSpec.nora(IN, OUT, RANK).build(),
            AdapterSpec.noraSwiGlu(IN, OUT, RANK).build(),
            AdapterSpec.noLora(IN, OUT, RANK).build())) {
      AdapterOracle oracle =
          new AdapterOracle(spec, randomParameters(spec, new SplittableRandom(5)));
      assertThrows(UnsupportedSpecException.class, () -> oracle.mergedDelta(1));
    }
  }

  @Test
  void inferenceDrawsNoMask() {
    AdapterSpec spec = AdapterSpec.nora(IN, OUT, RANK).inputDropout(0.5).build();
    AdapterSpec without = AdapterSpec.nora(IN, OUT, RANK).build();
    SplittableRandom random = new SplittableRandom(3);
    Map<Parameter, double[]> parameters = randomParameters(spec, random);
    double[] x = random(random, TOKENS * IN, 1);
    CallOptions options = CallOptions.of(spec).withDropout(4, 4);
    AdapterOracle.Forward inference =
        new AdapterOracle(spec, parameters).forward(x, TOKENS, options, false);
    double[] expected =
        new AdapterOracle(without, parameters).forward(x, TOKENS, options, true).y();
    assertEquals(0, Arrays.compare(expected, inference.y()));
    assertTrue(Arrays.stream(inference.inputMask()).allMatch(m -> m == 1));
  }

  /** φ at points where the answer is known by other means. */
  @Test
  void activationsAtKnownPoints() {
    assertEquals(0.8413447460685429, Functions.value(Activation.GELU, 1), 1e-15);
    assertEquals(-0.15865525393145705, Functions.value(Activation.GELU, -1), 1e-15);
    assertEquals(0.8411919906082768, Functions.value(Activation.GELU_TANH, 1), 1e-15);
    assertEquals(0.7310585786300049, Functions.value(Activation.SILU, 1), 1e-15);
    assertEquals(-0.02, Functions.value(Activation.LEAKY_RELU, -2), 1e-17);
    assertEquals(0, Functions.value(Activation.RELU, -2), 0);
    for (Activation activation : Activation.values()) {
      assertTrue(Double.isNaN(Functions.value(activation, Double.NaN)), activation.name());
    }
  }
}
