package dev.borealis.internal.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.internal.HeapBytes;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class ScalarBackendTest {
  private static final Backend SCALAR = Backend.require("scalar");

  /** Y of a small LoRA whose result is known: y = s·b·(a·x). */
  private static float loraOfOne(Backend backend) {
    try (Arena arena = Arena.ofConfined()) {
      AdapterSpec spec = AdapterSpec.lora(2, 1, 1).scale(0.5).build();
      AdapterWeights weights = AdapterWeights.allocate(spec, arena);
      weights.get(Parameter.A).set(0, 0, 3);
      weights.get(Parameter.A).set(0, 1, -1);
      weights.get(Parameter.B).set(0, 0, 4);
      Tensor x = Tensor.of(new float[] {5, 7}, 1, 2);
      Tensor y = Tensor.of(new float[] {100}, 1, 1);
      try (Adapter adapter = backend.prepare(weights)) {
        adapter.forward(x, y, adapter.workspace(1, Mode.INFERENCE, arena));
      }
      return y.get(0, 0);
    }
  }

  @Test
  void addsTheBranch() {
    assertEquals(100 + 0.5f * 4 * (3 * 5 - 7), loraOfOne(SCALAR));
  }

  @Test
  @Tag("novector")
  void worksWithoutTheVectorModuleAndIsThenTheAutomaticChoice() {
    assertEquals("scalar", Backend.auto().name());
    assertEquals(100 + 0.5f * 4 * (3 * 5 - 7), loraOfOne(Backend.auto()));
    BackendUnavailableException thrown =
        assertThrows(BackendUnavailableException.class, () -> Backend.require("panama"));
    assertTrue(String.valueOf(thrown.getMessage()).contains("--add-modules jdk.incubator.vector"));
  }

  @Test
  void noTokensGiveZeroGradients() {
    for (boolean fixed : new boolean[] {false, true}) {
      try (Arena arena = Arena.ofConfined()) {
        AdapterSpec.Builder builder = AdapterSpec.aurora(3, 2, 2);
        AdapterSpec spec = (fixed ? builder.staticForm() : builder).build();
        AdapterWeights weights = AdapterWeights.initialise(spec, 1, arena);
        AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
        Tensor x = Tensor.allocate(arena, DType.F32, 0, 3);
        Tensor y = Tensor.allocate(arena, DType.F32, 0, 2);
        try (Adapter adapter = SCALAR.prepare(weights)) {
          Workspace workspace = adapter.workspace(0, Mode.TRAINING, arena);
          adapter.forward(x, y, workspace);
          for (Parameter parameter : spec.parameters()) {
            gradients.get(parameter).set(0, 0, Float.NaN);
          }
          adapter.backward(x, y, null, gradients, GradientOptions.OVERWRITE, workspace);
          requireFirst(gradients, 0);
          for (Parameter parameter : spec.parameters()) {
            gradients.get(parameter).set(0, 0, 8);
          }
          adapter.backward(x, y, null, gradients, GradientOptions.ACCUMULATE, workspace);
          requireFirst(gradients, 8);
        }
      }
    }
  }

  private static void requireFirst(AdapterGradients gradients, float expected) {
    for (Parameter parameter : gradients.parameters()) {
      assertEquals(expected, gradients.get(parameter).get(0, 0), parameter.tensorName());
    }
  }

  @Test
  void repackTakesOverChangedWeights() {
    try (Arena arena = Arena.ofConfined()) {
      AdapterSpec spec = AdapterSpec.lora(1, 1, 1).build();
      AdapterWeights weights = AdapterWeights.allocate(spec, arena);
      weights.get(Parameter.A).set(0, 0, 1);
      Tensor x = Tensor.of(new float[] {1}, 1, 1);
      Tensor y = Tensor.of(new float[] {0}, 1, 1);
      try (Adapter adapter = SCALAR.prepare(weights)) {
        Workspace workspace = adapter.workspace(1, Mode.INFERENCE, arena);
        weights.get(Parameter.B).set(0, 0, 3);
        adapter.forward(x, y, workspace);
        assertEquals(0, y.get(0, 0));
        weights.markChanged();
        assertThrows(IllegalStateException.class, () -> adapter.forward(x, y, workspace));
        adapter.repack();
        adapter.forward(x, y, workspace);
        assertEquals(3, y.get(0, 0));
      }
    }
  }

  /** Rounding through float to BF16 would round 1 + 2⁻⁸ + 2⁻⁴⁰, just above a tie, to even. */
  @Test
  void roundsOnceToSixteenBits() {
    double aboveTie = 1 + 0x1p-8 + 0x1p-40;
    Tensor bf16 = Tensor.allocate(Arena.ofAuto(), DType.BF16, 1, 4);
    double[] values = {aboveTie, 1 + 0x1p-8, -aboveTie, Double.NaN};
    TensorRows.write(bf16, 0, values, 0, Update.OVERWRITE);
    assertEquals(1 + 0x1p-7f, bf16.get(0, 0));
    assertEquals(1, bf16.get(0, 1));
    assertEquals(-1 - 0x1p-7f, bf16.get(0, 2));
    assertTrue(Float.isNaN(bf16.get(0, 3)));

    Tensor f16 = Tensor.allocate(Arena.ofAuto(), DType.F16, 1, 3);
    double[] halves = {1 + 0x1p-11 + 0x1p-40, 1e39, -0x1p-25 - 0x1p-60};
    TensorRows.write(f16, 0, halves, 0, Update.OVERWRITE);
    assertEquals(1 + 0x1p-10f, f16.get(0, 0));
    assertEquals(Float.POSITIVE_INFINITY, f16.get(0, 1));
    assertEquals(-0x1p-24f, f16.get(0, 2));
  }

  @Test
  void linearLayerWithBias() {
    Tensor w0 = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    Tensor bias = Tensor.of(new float[] {10, 20}, 2);
    float[] y = {Float.NaN, Float.NaN};
    float[] dX = {1, 1, 1};
    try (Linear linear = SCALAR.prepareLinear(w0, bias)) {
      linear.forward(Tensor.of(new float[] {1, 0, -1}, 1, 3), Tensor.of(y, 1, 2));
      linear.backward(Tensor.of(y, 1, 2), Tensor.of(dX, 1, 3), Update.ACCUMULATE);
    }
    assertArrayEquals(new float[] {8, 18}, y);
    assertArrayEquals(new float[] {1 + 8 + 72, 1 + 16 + 90, 1 + 24 + 108}, dX);
  }

  @Test
  void callsAllocateNothing() {
    SplittableRandom random = new SplittableRandom(2);
    try (Arena arena = Arena.ofConfined()) {
      AdapterSpec spec =
          AdapterSpec.aurora(20, 12, 3)
              .modulation()
              .gain()
              .upBias()
              .downBias()
              .inputDropout(0.2)
              .hiddenDropout(0.2, HiddenDropoutMode.UNIT)
              .build();
      AdapterWeights weights = AdapterWeights.initialise(spec, 3, arena);
      AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
      Tensor x = Tensor.allocate(arena, DType.BF16, 5, 20);
      Tensor y = Tensor.allocate(arena, DType.F32, 5, 12);
      Tensor dX = Tensor.allocate(arena, DType.F32, 5, 20);
      Tensor w0 = Tensor.allocate(arena, DType.F16, 12, 20);
      for (int i = 0; i < 100; i++) {
        x.set(i / 20, i % 20, (float) random.nextDouble());
      }
      CallOptions options = CallOptions.of(spec).withDropout(5, 6);
      try (Adapter adapter = SCALAR.prepare(weights);
          Linear linear = SCALAR.prepareLinear(w0, null)) {
        Workspace workspace = adapter.workspace(5, Mode.TRAINING, arena);
        Runnable calls =
            () -> {
              for (int i = 0; i < 50; i++) {
                linear.forward(x, y, adapter, options, workspace);
                adapter.backward(x, y, dX, gradients, GradientOptions.ACCUMULATE, workspace);
                linear.backward(y, dX, Update.ACCUMULATE);
              }
            };
        assertEquals(0, leastAllocated(calls, 2000));
      }
    }
  }

  /** The JVM itself allocates while it links and compiles: the least of many batches counts. */
  private static long leastAllocated(Runnable calls, int batches) {
    long least = Long.MAX_VALUE;
    for (int batch = 0; batch < batches && least > 0; batch++) {
      long before = HeapBytes.ofThisThread();
      calls.run();
      least = Math.min(least, HeapBytes.ofThisThread() - before);
    }
    return least;
  }
}
