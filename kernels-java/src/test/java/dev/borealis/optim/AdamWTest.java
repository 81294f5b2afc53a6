package dev.borealis.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.HeapBytes;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AdamWTest {
  private static final AdapterSpec SPEC = AdapterSpec.aurora(33, 17, 3).upBias().build();

  /** Two steps worked out by hand: g = 2 and then −1, w = 1, η = 0.1, λ = 0.5, β 0.5 and 0.75. */
  @Test
  void agreesWithTwoStepsByHand() {
    Tensor w = Tensor.of(new float[] {1}, 1);
    float[] g = {2};
    AdamW adam =
        AdamW.builder()
            .betas(0.5, 0.75)
            .epsilon(0)
            .weightDecay(0.5)
            .add("w", w, Tensor.of(g, 1), true)
            .build(Arena.ofAuto());
    adam.step(0.1);
    // m = 1, v = 1; corrected 2 and 4: the quotient is 1, so w = 0.95 − 0.1.
    assertEquals(0.85f, w.get(0, 0));
    g[0] = -1;
    adam.step(0.1);
    // m = 0, so only the decay acts.
    assertEquals(0.85 * 0.95, w.get(0, 0), 1e-7);
    assertEquals(0, tensor(adam, "exp_avg.w").get(0, 0));
    assertEquals(1, tensor(adam, "exp_avg_sq.w").get(0, 0));
    assertEquals(2, adam.steps());
  }

  /** Against the textbook's form, m̂ = m/(1−β1ᵗ) and v̂ = v/(1−β2ᵗ), all in double. */
  @Test
  void followsAnIndependentDoubleImplementationOver100Steps() {
    var random = new Random(7);
    var weights = AdapterWeights.initialise(SPEC, 1, Arena.ofAuto());
    var gradients = AdapterGradients.allocate(SPEC, Arena.ofAuto());
    AdamW adam =
        AdamW.builder().weightDecay(0.3).add("q", weights, gradients).build(Arena.ofAuto());
    Map<Parameter, Textbook> expected = new LinkedHashMap<>();
    for (Parameter parameter : SPEC.parameters()) {
      boolean decays = parameter == Parameter.A || parameter == Parameter.B;
      expected.put(parameter, new Textbook(weights.get(parameter), decays ? 0.3 : 0));
    }
    for (int step = 0; step < 100; step++) {
      double rate = 0.01 * (1 + step % 3);
      for (Parameter parameter : SPEC.parameters()) {
        fill(gradients.get(parameter), random);
      }
      adam.step(rate);
      expected.forEach((parameter, textbook) -> textbook.step(gradients.get(parameter), rate));
    }
    expected.forEach(
        (parameter, textbook) -> textbook.assertNear(weights.get(parameter), parameter));
  }

  private static final class Textbook {
    private final double decay;
    private final double[] w;
    private final double[] m;
    private final double[] v;
    private int t;

    Textbook(Tensor initial, double decay) {
      this.decay = decay;
      this.w = values(initial);
      this.m = new double[w.length];
      this.v = new double[w.length];
    }

    void step(Tensor gradient, double rate) {
      double[] g = values(gradient);
      t++;
      for (int i = 0; i < w.length; i++) {
        m[i] = 0.9 * m[i] + 0.1 * g[i];
        v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
        double mHat = m[i] / (1 - Math.pow(0.9, t));
        double vHat = v[i] / (1 - Math.pow(0.999, t));
        w[i] = w[i] - rate * decay * w[i] - rate * mHat / (Math.sqrt(vHat) + 1e-8);
      }
    }

    void assertNear(Tensor actual, Parameter parameter) {
      assertArrayEquals(w, values(actual), 2e-6, parameter.tensorName());
    }
  }

  @Test
  void onlyTheChosenParametersDecay() {
    var weights = AdapterWeights.initialise(SPEC, 1, Arena.ofAuto());
    var before = AdapterWeights.initialise(SPEC, 1, Arena.ofAuto());
    // Without a gradient nothing but the decay changes a weight.
    AdamW.builder()
        .weightDecay(0.5)
        .add("q", weights, zeros(), EnumSet.of(Parameter.H))
        .build(Arena.ofAuto())
        .step(0.5);
    for (Parameter parameter : SPEC.parameters()) {
      float factor = parameter == Parameter.H ? 0.75f : 1;
      assertEquals(
          before.get(parameter).get(0, 1) * factor,
          weights.get(parameter).get(0, 1),
          1e-7,
          parameter.tensorName());
    }
  }

  @Test
  void stridesMakeNoDifferenceAndGapsStayUntouched() {
    var random = new Random(3);
    float[] dense = new float[4 * 5];
    float[] gradient = new float[4 * 5];
    for (int i = 0; i < dense.length; i++) {
      dense[i] = random.nextFloat();
      gradient[i] = (float) random.nextGaussian();
    }
    float[] wide = filled(4 * 8, 9);
    float[] wideGradient = filled(4 * 7, Float.NaN);
    for (int row = 0; row < 4; row++) {
      System.arraycopy(dense, row * 5, wide, row * 8, 5);
      System.arraycopy(gradient, row * 5, wideGradient, row * 7, 5);
    }
    AdamW.builder()
        .add("dense", Tensor.of(dense, 4, 5), Tensor.of(gradient, 4, 5), true)
        .add("wide", strided(wide, 8), strided(wideGradient, 7), true)
        .build(Arena.ofAuto())
        .step(0.1);
    for (int row = 0; row < 4; row++) {
      for (int column = 0; column < 8; column++) {
        float expected = column < 5 ? dense[row * 5 + column] : 9;
        assertEquals(expected, wide[row * 8 + column], row + ", " + column);
      }
    }
  }

  @Test
  void resumedTrainingHasTheBitsOfTheUninterruptedOne() {
    var whole = AdapterWeights.initialise(SPEC, 5, Arena.ofAuto());
    AdamW uninterrupted = adamW(whole);
    train(uninterrupted, 0, 20);

    var first = AdapterWeights.initialise(SPEC, 5, Arena.ofAuto());
    AdamW before = adamW(first);
    train(before, 0, 9);
    AdamW after = adamW(first);
    after.restore(before.state(), before.steps());
    train(after, 9, 20);

    assertEquals(20, after.steps());
    for (Parameter parameter : SPEC.parameters()) {
      assertArrayEquals(values(whole.get(parameter)), values(first.get(parameter)));
    }
    for (String name : uninterrupted.state().keySet()) {
      assertArrayEquals(values(tensor(uninterrupted, name)), values(tensor(after, name)), name);
    }
  }

  private final AdapterGradients shared = zeros();

  private AdamW adamW(AdapterWeights weights) {
    return AdamW.builder().add("q", weights, shared).build(Arena.ofAuto());
  }

  private void train(AdamW adam, int from, int to) {
    for (int step = from; step < to; step++) {
      var random = new Random(step);
      for (Parameter parameter : SPEC.parameters()) {
        fill(shared.get(parameter), random);
      }
      adam.step(1e-3 * (step + 1));
    }
  }

  @Test
  void marksTheWeightsAsChanged() {
    var weights = AdapterWeights.initialise(SPEC, 5, Arena.ofAuto());
    long version = weights.version();
    adamW(weights).step(0.1);
    assertEquals(version + 1, weights.version());
  }

  @Test
  void stepAllocatesNothing() {
    try (Arena arena = Arena.ofConfined()) {
      var weights = AdapterWeights.initialise(SPEC, 5, arena);
      AdamW adam =
          AdamW.builder()
              .add("q", weights, AdapterGradients.allocate(SPEC, arena))
              .add("head", Tensor.of(new float[6], 2, 3), Tensor.of(new float[6], 2, 3), false)
              .build(arena);
      assertEquals(0, HeapBytes.afterWarmUp(() -> adam.step(1e-3)));
    }
  }

  @Test
  void refusesBadNumbersByNameAndChangesNothing() {
    var weights = AdapterWeights.initialise(SPEC, 5, Arena.ofAuto());
    AdamW adam = adamW(weights);
    fill(shared.get(Parameter.A), new Random(1));
    double[] before = values(weights.get(Parameter.A));
    assertRefused("learningRate:", () -> adam.step(Double.NaN));
    assertRefused("learningRate:", () -> adam.step(-1e-9));
    assertRefused("learningRate:", () -> adam.step(Double.POSITIVE_INFINITY));
    assertArrayEquals(before, values(weights.get(Parameter.A)));
    assertEquals(0, adam.steps());
    assertEquals(0, weights.version());

    assertRefused("weightDecay:", () -> AdamW.builder().weightDecay(-0.1));
    assertRefused("weightDecay:", () -> AdamW.builder().weightDecay(Double.NaN));
    assertRefused("beta1:", () -> AdamW.builder().betas(1, 0.5));
    assertRefused("beta2:", () -> AdamW.builder().betas(0.5, Double.NaN));
    assertRefused("epsilon:", () -> AdamW.builder().epsilon(-1));
  }

  @Test
  void refusesGradientsOfAnotherSpecification() {
    var weights = AdapterWeights.initialise(SPEC, 5, Arena.ofAuto());
    var other = AdapterSpec.lora(33, 17, 3).build();
    var gradients = AdapterGradients.allocate(other, Arena.ofAuto());
    assertRefused("q: expected gradients", () -> AdamW.builder().add("q", weights, gradients));
  }

  @Test
  void refusesTensorsItCannotTrainByName() {
    Tensor f32 = Tensor.of(new float[6], 2, 3);
    Tensor gradient = Tensor.of(new float[6], 2, 3);
    Tensor bf16 = Tensor.allocate(Arena.ofAuto(), DType.BF16, 2, 3);
    Tensor readOnly = Tensor.of(MemorySegment.ofArray(new float[6]).asReadOnly(), DType.F32, 2, 3);
    Tensor wrongShape = Tensor.of(new float[6], 3, 2);
    var builder = AdamW.builder();
    assertRefused("w: expected F32", () -> builder.add("w", bf16, gradient, true));
    assertRefused("gradient of w: expected F32", () -> builder.add("w", f32, bf16, true));
    assertRefused("w: expected writable", () -> builder.add("w", readOnly, gradient, true));
    assertRefused("gradient of w: expected shape", () -> builder.add("w", f32, wrongShape, true));
    assertRefused("w: expected memory apart", () -> builder.add("w", f32, f32, true));
    builder.add("w", f32, gradient, true);
    assertRefused(
        "w: expected a new name",
        () -> builder.add("w", Tensor.of(new float[1], 1), Tensor.of(new float[1], 1), true));
    assertRefused(
        "tied: expected memory apart",
        () -> builder.add("tied", f32, Tensor.of(new float[6], 2, 3), true));
  }

  @Test
  void refusesClosedMemoryBeforeAnythingChanges() {
    Tensor w = Tensor.of(new float[] {1}, 1);
    Arena arena = Arena.ofConfined();
    AdamW adam =
        AdamW.builder()
            .add("w", w, Tensor.of(new float[] {1}, 1), true)
            .add("late", Tensor.allocate(arena, DType.F32, 1), Tensor.of(new float[] {1}, 1), true)
            .build(Arena.ofAuto());
    arena.close();
    var error = assertThrows(IllegalStateException.class, () -> adam.step(0.1));
    assertTrue(String.valueOf(error.getMessage()).startsWith("late:"), error.toString());
    assertEquals(1, w.get(0, 0));
    assertEquals(0, adam.steps());
  }

  @Test
  void refusesAnotherOptimisersState() {
    AdamW adam =
        AdamW.builder()
            .add("w", Tensor.of(new float[] {1}, 1), Tensor.of(new float[] {1}, 1), true)
            .build(Arena.ofAuto());
    assertRefused("saved:", () -> adam.restore(Map.of(), 1));
    assertRefused("savedSteps:", () -> adam.restore(adam.state(), -1));
    Map<String, Tensor> wrong = new LinkedHashMap<>(adam.state());
    wrong.put("exp_avg.w", Tensor.of(new float[2], 2));
    assertRefused("exp_avg.w: expected shape", () -> adam.restore(wrong, 1));
    wrong.put("exp_avg.w", Tensor.allocate(Arena.ofAuto(), DType.F16, 1));
    assertRefused("exp_avg.w: expected F32", () -> adam.restore(wrong, 1));
    assertEquals(0, adam.steps());
  }

  private static void assertRefused(String start, Runnable call) {
    var error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(String.valueOf(error.getMessage()).startsWith(start), error.toString());
  }

  private static AdapterGradients zeros() {
    return AdapterGradients.allocate(SPEC, Arena.ofAuto());
  }

  private static Tensor tensor(AdamW adam, String name) {
    Tensor tensor = adam.state().get(name);
    if (tensor == null) {
      throw new AssertionError("no " + name + " in " + adam.state().keySet());
    }
    return tensor;
  }

  private static Tensor strided(float[] array, int stride) {
    return Tensor.strided(MemorySegment.ofArray(array), DType.F32, 4, 5, stride);
  }

  private static float[] filled(int length, float value) {
    float[] array = new float[length];
    java.util.Arrays.fill(array, value);
    return array;
  }

  private static void fill(Tensor tensor, Random random) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextGaussian());
      }
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) (tensor.rows() * tensor.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / tensor.columns(), i % tensor.columns());
    }
    return values;
  }
}
