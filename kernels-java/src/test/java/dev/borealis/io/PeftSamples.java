package dev.borealis.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;

/** Weights to save, and what must be the same after loading. */
final class PeftSamples {
  private PeftSamples() {}

  /** Weights in ±1 of the given type. */
  static AdapterWeights weights(AdapterSpec spec, DType type, long seed, Arena arena) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      Tensor tensor = Tensor.allocate(arena, type, spec.shape(parameter));
      fill(tensor, random);
      tensors.put(parameter, tensor);
    }
    return new AdapterWeights(spec, tensors);
  }

  static void fill(Tensor tensor, SplittableRandom random) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextDouble(-1, 1));
      }
    }
  }

  static void assertSameSpec(AdapterSpec expected, AdapterSpec actual) {
    assertEquals(expected.inFeatures(), actual.inFeatures());
    assertEquals(expected.outFeatures(), actual.outFeatures());
    assertEquals(expected.rank(), actual.rank());
    assertEquals(expected.nonlinearity(), actual.nonlinearity());
    assertEquals(
        Float.floatToRawIntBits(expected.scale()), Float.floatToRawIntBits(actual.scale()));
    assertEquals(expected.inputDropout(), actual.inputDropout());
    assertEquals(expected.hiddenDropout(), actual.hiddenDropout());
    assertEquals(expected.hiddenDropoutMode(), actual.hiddenDropoutMode());
    assertEquals(expected.staticForm(), actual.staticForm());
    assertEquals(expected.parameters(), actual.parameters());
  }

  /** The same numbers to the bit; the same types too, unless a bias had to be widened. */
  static void assertSameWeights(AdapterWeights expected, AdapterWeights actual) {
    for (Parameter parameter : expected.parameters()) {
      Tensor e = expected.get(parameter);
      Tensor a = actual.get(parameter);
      assertArrayEquals(e.shape(), a.shape(), parameter.tensorName());
      boolean widened = parameter == Parameter.B_BIAS && expected.spec().scale() != 1;
      assertEquals(widened ? DType.F32 : e.dtype(), a.dtype(), parameter.tensorName());
      for (long row = 0; row < e.rows(); row++) {
        for (long column = 0; column < e.columns(); column++) {
          assertEquals(
              Float.floatToRawIntBits(e.get(row, column)),
              Float.floatToRawIntBits(a.get(row, column)),
              parameter.tensorName() + " " + row + ", " + column);
        }
      }
    }
  }

  /** Returns the bits of the branch's output for some tokens. */
  static byte[] output(AdapterWeights weights) {
    try (Arena arena = Arena.ofShared();
        Adapter adapter = Backend.require("scalar").prepare(weights)) {
      int tokens = 7;
      Tensor x = Tensor.allocate(arena, DType.F32, tokens, weights.spec().inFeatures());
      fill(x, new SplittableRandom(99));
      Tensor y = Tensor.allocate(arena, DType.F32, tokens, weights.spec().outFeatures());
      adapter.forward(x, y, adapter.workspace(tokens, Mode.INFERENCE, arena));
      return y.segment().toArray(ValueLayout.JAVA_BYTE);
    }
  }
}
