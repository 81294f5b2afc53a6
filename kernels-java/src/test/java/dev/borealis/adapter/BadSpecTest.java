package dev.borealis.adapter;

import static dev.borealis.testing.Nothing.nothing;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Specifications, weights and gradients that must not come to be. */
class BadSpecTest {
  private static final Arena ARENA = Arena.ofAuto();

  private static void refused(
      Class<? extends RuntimeException> type, Executable call, String... words) {
    RuntimeException thrown = assertThrows(type, call);
    assertEquals(type, thrown.getClass());
    String message = String.valueOf(thrown.getMessage());
    for (String word : words) {
      assertTrue(message.contains(word), () -> "expected \"" + word + "\" in: " + message);
    }
  }

  private static void unsupported(Executable call, String... words) {
    refused(UnsupportedSpecException.class, call, words);
  }

  @Test
  void ranks() {
    for (int rank : new int[] {Integer.MIN_VALUE, -1, 0, 513, Integer.MAX_VALUE}) {
      String came = "came " + rank;
      unsupported(() -> AdapterSpec.lora(4, 4, rank).build(), "rank: expected 1 to 512", came);
      unsupported(() -> AdapterSpec.aurora(4, 4, rank).build(), "rank: expected 1 to 512", came);
      unsupported(() -> AdapterSpec.noraSwiGlu(4, 4, rank).build(), "rank: ", came);
    }
    assertEquals(512, AdapterSpec.nora(4, 4, 512).build().rank());
    assertEquals(1024, AdapterSpec.noraSwiGlu(4, 4, 512).build().downRank());
  }

  @Test
  void features() {
    for (int features : new int[] {Integer.MIN_VALUE, -1, 0}) {
      String came = "came " + features;
      unsupported(() -> AdapterSpec.lora(features, 4, 1).build(), "inFeatures: ", came);
      unsupported(() -> AdapterSpec.lora(4, features, 1).build(), "outFeatures: ", came);
    }
  }

  @Test
  void scales() {
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, 1e300, -1e39}) {
      unsupported(() -> AdapterSpec.lora(4, 4, 1).alpha(bad).build(), "scale: ", "finite", "came");
      unsupported(() -> AdapterSpec.lora(4, 4, 1).scale(bad).build(), "scale: ", "finite", "came");
    }
  }

  @Test
  void probabilities() {
    for (double bad : new double[] {Double.NaN, -1e-9, 1, 2, Double.POSITIVE_INFINITY}) {
      unsupported(
          () -> AdapterSpec.lora(4, 4, 1).inputDropout(bad).build(),
          "inputDropout: ",
          "[0, 1)",
          "came " + bad);
      unsupported(
          () -> AdapterSpec.lora(4, 4, 1).hiddenDropout(bad, HiddenDropoutMode.UNIT).build(),
          "hiddenDropout: ",
          "[0, 1)",
          "came " + bad);
    }
  }

  @Test
  void propertiesOfAurora() {
    AdapterSpec.Builder lora = AdapterSpec.lora(4, 4, 1);
    unsupported(() -> lora.spline(SplineMode.SUM), "spline mode: expected an AuroRA", "Pointwise");
    unsupported(() -> lora.grid(SplineGrid.DEFAULT), "spline grid: expected an AuroRA");
    unsupported(() -> lora.activation(Activation.TANH), "activation: expected an AuroRA");
    unsupported(() -> lora.terms(true, true), "terms: expected an AuroRA");
    unsupported(() -> lora.staticForm().build(), "static form: expected an AuroRA");
    unsupported(
        () -> AdapterSpec.aurora(4, 4, 1).staticForm().downBias().build(), "static form", "bias");
    unsupported(() -> AdapterSpec.aurora(4, 4, 1).terms(false, false), "AuroRA: ", "neither");
    for (Activation bad : Activation.values()) {
      if (bad != Activation.TANH && bad != Activation.LEAKY_RELU && bad != Activation.SIGMOID) {
        unsupported(
            () -> AdapterSpec.aurora(4, 4, 1).activation(bad),
            "AuroRA activation: expected TANH",
            "came " + bad);
      }
    }
    unsupported(() -> new SplineGrid(0, -1, 1), "grid size: ", "1 to 64", "came 0");
    unsupported(() -> new SplineGrid(65, -1, 1), "grid size: ", "1 to 64", "came 65");
    unsupported(() -> new SplineGrid(5, 1, 1), "grid range: ", "min < max", "[1.0, 1.0]");
    unsupported(() -> new SplineGrid(5, 2, 1), "grid range: ", "min < max");
    unsupported(() -> new SplineGrid(5, Double.NaN, 1), "grid range: ", "NaN");
    unsupported(() -> new SplineGrid(5, -1, Double.POSITIVE_INFINITY), "grid range: ", "Infinity");
    unsupported(() -> new SplineGrid(5, 1e9, 1e9 + 1), "grid range: ", "fp32 resolves");
    unsupported(() -> new SplineGrid(1, -1e38, 3e38), "grid range: ", "fp32 resolves");
  }

  @Test
  void nullsAreNamed() {
    Class<NullPointerException> nothing = NullPointerException.class;
    refused(nothing, () -> AdapterSpec.lora(4, 4, 1).nonlinearity(nothing()), "nonlinearity");
    refused(nothing, () -> AdapterSpec.lora(4, 4, 1).hiddenDropout(0.5, nothing()), "mode");
    refused(nothing, () -> AdapterSpec.aurora(4, 4, 1).spline(nothing()), "mode");
    refused(nothing, () -> AdapterSpec.aurora(4, 4, 1).grid(nothing()), "grid");
    refused(nothing, () -> AdapterSpec.aurora(4, 4, 1).activation(nothing()), "activation");
    refused(nothing, () -> AdapterSpec.noLora(4, 4, 1, nothing()), "activation");
    AdapterSpec spec = AdapterSpec.lora(4, 4, 1).build();
    refused(nothing, () -> new AdapterWeights(nothing(), Map.of()), "spec");
    refused(nothing, () -> new AdapterWeights(spec, nothing()), "tensors");
    refused(nothing, () -> AdapterWeights.allocate(spec, nothing()), "arena");
    refused(nothing, () -> AdapterGradients.allocate(spec, nothing()), "arena");
    Map<Parameter, Tensor> tensors = tensors(spec);
    tensors.put(Parameter.B, nothing());
    refused(nothing, () -> new AdapterWeights(spec, tensors), "lora_B.weight");
    refused(nothing, () -> new AdapterGradients(spec, tensors), "gradient of lora_B.weight");
  }

  private static Map<Parameter, Tensor> tensors(AdapterSpec spec) {
    Map<Parameter, Tensor> tensors = new HashMap<>();
    for (Parameter parameter : spec.parameters()) {
      tensors.put(parameter, Tensor.allocate(ARENA, DType.F32, spec.shape(parameter)));
    }
    return tensors;
  }

  @Test
  void parametersThatAreMissingOrTooMany() {
    AdapterSpec spec = AdapterSpec.aurora(4, 5, 2).gain().build();
    for (Parameter parameter : spec.parameters()) {
      Map<Parameter, Tensor> missing = tensors(spec);
      missing.remove(parameter);
      refused(
          IllegalArgumentException.class,
          () -> new AdapterWeights(spec, missing),
          "parameters: expected [A, H, SPLINE, B, GAIN]",
          "came");
      refused(
          IllegalArgumentException.class,
          () -> new AdapterGradients(spec, missing),
          "gradient of parameters: expected");
    }
    Map<Parameter, Tensor> more = tensors(spec);
    more.put(Parameter.V, Tensor.of(new float[2], 2));
    refused(IllegalArgumentException.class, () -> new AdapterWeights(spec, more), "came", "V");
    refused(
        IllegalArgumentException.class,
        () -> AdapterWeights.allocate(spec, ARENA).get(Parameter.BETA),
        "lora_beta: expected one of [A, H");
    refused(IllegalArgumentException.class, () -> new AdapterWeights(spec, Map.of()), "came []");
  }

  @Test
  void shapesOfParameters() {
    for (SplineMode mode : SplineMode.values()) {
      AdapterSpec spec = AdapterSpec.aurora(4, 5, 2).spline(mode).modulation().upBias().build();
      for (Parameter parameter : spec.parameters()) {
        long[] right = spec.shape(parameter);
        for (int i = 0; i < right.length; i++) {
          for (int by : new int[] {-1, 1}) {
            long[] wrong = right.clone();
            wrong[i] += by;
            Map<Parameter, Tensor> tensors = tensors(spec);
            tensors.put(parameter, Tensor.allocate(ARENA, DType.F32, wrong));
            refused(
                ShapeMismatchException.class,
                () -> new AdapterWeights(spec, tensors),
                parameter.tensorName() + ": expected shape " + Arrays.toString(right),
                "came Tensor" + Arrays.toString(wrong));
            refused(
                ShapeMismatchException.class,
                () -> new AdapterGradients(spec, tensors),
                "gradient of " + parameter.tensorName() + ": expected shape");
          }
        }
      }
    }
  }

  @Test
  void gradientsAreWritableF32AndApart() {
    AdapterSpec spec = AdapterSpec.aurora(4, 5, 2).build();
    for (Parameter parameter : spec.parameters()) {
      String name = "gradient of " + parameter.tensorName();
      for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
        Map<Parameter, Tensor> half = tensors(spec);
        half.put(parameter, Tensor.allocate(ARENA, dtype, spec.shape(parameter)));
        refused(
            DTypeMismatchException.class,
            () -> new AdapterGradients(spec, half),
            name + ": expected F32, came " + dtype);
        assertEquals(dtype, new AdapterWeights(spec, half).get(parameter).dtype());
      }
      Map<Parameter, Tensor> fixed = tensors(spec);
      Tensor writable = Tensor.allocate(ARENA, DType.F32, spec.shape(parameter));
      fixed.put(
          parameter, Tensor.of(writable.segment().asReadOnly(), DType.F32, spec.shape(parameter)));
      refused(
          IllegalArgumentException.class,
          () -> new AdapterGradients(spec, fixed),
          name + ": expected writable",
          "read-only");
      for (Parameter other : spec.parameters()) {
        if (other != parameter) {
          Map<Parameter, Tensor> shared = new EnumMap<>(tensors(spec));
          Tensor memory = Tensor.of(new float[64], 64);
          shared.put(parameter, Tensor.of(memory.segment(), DType.F32, spec.shape(parameter)));
          shared.put(other, Tensor.of(memory.segment().asSlice(4), DType.F32, spec.shape(other)));
          refused(
              OverlapException.class,
              () -> new AdapterGradients(spec, shared),
              "gradient of " + parameter.tensorName(),
              "gradient of " + other.tensorName(),
              "apart",
              "came");
          assertEquals(spec, new AdapterWeights(spec, shared).spec());
        }
      }
    }
  }
}
