package dev.borealis.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.UnsupportedSpecException;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class MergeTest {
  private static final int IN = 37;
  private static final int OUT = 23;
  private static final Arena ARENA = Arena.ofAuto();

  static List<AdapterSpec> exactlyMergeable() {
    return List.of(
        AdapterSpec.lora(IN, OUT, 5).alpha(3).build(),
        AdapterSpec.lora(IN, OUT, 1).gain().modulation().build(),
        AdapterSpec.mosLora(IN, OUT, 4).alpha(8).build(),
        AdapterSpec.mosLora(IN, OUT, 4).modulation().gain().downBias().upBias().build(),
        AdapterSpec.noLora(IN, OUT, 6, Activation.IDENTITY).downBias().build(),
        AdapterSpec.lora(IN, OUT, 3).upBias().build(),
        AdapterSpec.aurora(IN, OUT, 3).alpha(6).staticForm().build(),
        AdapterSpec.aurora(IN, OUT, 3).staticForm().modulation().gain().upBias().build());
  }

  static List<AdapterSpec> notExactlyMergeable() {
    return List.of(
        AdapterSpec.aurora(IN, OUT, 3).build(),
        AdapterSpec.nora(IN, OUT, 3).build(),
        AdapterSpec.noraSwiGlu(IN, OUT, 3).build(),
        AdapterSpec.noLora(IN, OUT, 3).build(),
        AdapterSpec.noLora(IN, OUT, 3, Activation.GELU).build());
  }

  @ParameterizedTest
  @MethodSource("exactlyMergeable")
  void mergedForwardIsTheDynamicOne(AdapterSpec spec) {
    var weights = random(spec, 1);
    MergeDelta delta = Merge.delta(weights, ARENA);
    Tensor x = samples(20, 2);
    double[] expected = dynamic(weights, spec.scale(), x);
    assertNear(expected, merged(delta, x), 1e-6);
    assertEquals(
        weights.parameters().contains(Parameter.A_BIAS)
            || weights.parameters().contains(Parameter.B_BIAS),
        delta.bias() != null);
  }

  @ParameterizedTest
  @MethodSource("exactlyMergeable")
  void scaleOfTheMergeIsItsArgument(AdapterSpec spec) {
    var weights = random(spec, 1);
    Tensor x = samples(6, 2);
    assertNear(dynamic(weights, -0.75f, x), merged(Merge.delta(weights, -0.75f, ARENA), x), 1e-6);
  }

  @Test
  void staticMergeOfTheStaticFormIsItsExactOne() {
    var weights = random(AdapterSpec.aurora(IN, OUT, 3).staticForm().upBias().build(), 1);
    MergeDelta exact = Merge.delta(weights, ARENA);
    MergeDelta same = Merge.staticDelta(weights, ARENA);
    assertArrayEquals(MergeMath.values(exact.weight()), MergeMath.values(same.weight()));
    assertArrayEquals(bias(exact), bias(same));
  }

  /** The static merge acts on A alone: the static form with the same numbers is what it merges. */
  @Test
  void staticMergeOfADynamicAdapterIsThatOfItsStaticTwin() {
    var spec = AdapterSpec.aurora(IN, OUT, 3).gain().build();
    var twin = AdapterSpec.aurora(IN, OUT, 3).gain().staticForm().build();
    MergeDelta delta = Merge.staticDelta(random(spec, 1), ARENA);
    Tensor x = samples(20, 2);
    assertNear(dynamic(random(twin, 1), twin.scale(), x), merged(delta, x), 1e-6);
    assertNull(delta.bias());
  }

  @Test
  void calibratedMergeIsMuchNearerThanTheStaticOneOnOtherActivations() {
    var spec = AdapterSpec.aurora(IN, OUT, 4).alpha(8).build();
    var weights = AdapterWeights.initialise(spec, 5, ARENA);
    fill(weights.get(Parameter.B), new Random(6));
    Tensor heldOut = samples(200, 7);
    double still = error(weights, Merge.staticDelta(weights, ARENA), heldOut);
    double linear = error(weights, calibrated(weights, Calibration.LINEAR), heldOut);
    double affine = error(weights, calibrated(weights, Calibration.AFFINE), heldOut);
    System.out.printf(
        "AuroRA merge, relative error: static %.3f, calibrated %.3f, with intercept %.3f%n",
        still, linear, affine);
    assertTrue(linear < still && linear < 1, linear + " against " + still);
    assertTrue(affine < linear, affine + " against " + linear);
  }

  @ParameterizedTest
  @MethodSource("notExactlyMergeable")
  void calibrationApproximatesEveryNonlinearity(AdapterSpec spec) {
    var weights = random(spec, 5);
    // On the samples of the fit, since M = 0 is a candidate too.
    MergeDelta delta = calibrated(weights, Calibration.AFFINE);
    assertTrue(error(weights, delta, samples(400, 3)) < 1);
  }

  @ParameterizedTest
  @EnumSource(Calibration.class)
  void calibratedMergeOfALinearAdapterIsItsExactOne(Calibration calibration) {
    for (var spec :
        List.of(
            AdapterSpec.lora(IN, OUT, 5).build(),
            AdapterSpec.mosLora(IN, OUT, 4).modulation().gain().downBias().upBias().build())) {
      var weights = random(spec, 4);
      MergeDelta exact = Merge.delta(weights, ARENA);
      MergeDelta fitted = calibrated(weights, calibration);
      assertNear(MergeMath.values(exact.weight()), MergeMath.values(fitted.weight()), 1e-5);
      if (exact.bias() != null) {
        assertNear(bias(exact), bias(fitted), 1e-5);
      }
    }
  }

  @Test
  void interceptTakesTheConstantPart() {
    var spec = AdapterSpec.aurora(IN, OUT, 2).build();
    var weights = random(spec, 5);
    weights.get(Parameter.A).segment().fill((byte) 0);
    Tensor x = samples(50, 1);
    // A = 0: the branch is the constant s·B σ(0), which a bias alone can stand for.
    MergeDelta delta = Merge.calibratedDelta(weights, x, Calibration.AFFINE, ARENA);
    MergeReport report = Merge.report(weights, delta, x);
    assertEquals(1, report.constantShare(), 1e-12);
    assertTrue(report.relativeError() < 1e-6, report.toString());
    MergeReport without =
        Merge.report(weights, Merge.calibratedDelta(weights, x, Calibration.LINEAR, ARENA), x);
    assertEquals(1, without.relativeError(), 1e-12);
  }

  @Test
  void reportAgreesWithItsDefinition() {
    var spec = AdapterSpec.nora(IN, OUT, 4).upBias().build();
    var weights = random(spec, 8);
    Tensor x = samples(300, 9);
    MergeDelta delta = calibrated(weights, Calibration.LINEAR);
    double[] y = dynamic(weights, spec.scale(), x);
    double[] merged = merged(delta, x);
    double[] mean = new double[OUT];
    double errors = 0;
    double squares = 0;
    double max = 0;
    for (int i = 0; i < y.length; i++) {
      mean[i % OUT] += y[i] / 300;
      errors += Math.pow(merged[i] - y[i], 2);
      squares += y[i] * y[i];
      max = Math.max(max, Math.abs(merged[i] - y[i]));
    }
    double meanSquares = 0;
    for (double m : mean) {
      meanSquares += m * m;
    }
    MergeReport report = Merge.report(weights, delta, x);
    assertEquals(300, report.samples());
    assertEquals(Math.sqrt(errors / squares), report.relativeError(), 1e-9);
    assertEquals(max, report.maxAbsError(), 1e-9);
    assertEquals(Math.sqrt(300 * meanSquares / squares), report.constantShare(), 1e-9);
  }

  @Test
  void reportOfAnUntrainedAdapterIsZero() {
    var weights = AdapterWeights.initialise(AdapterSpec.nora(IN, OUT, 4).build(), 1, ARENA);
    MergeDelta delta = calibrated(weights, Calibration.LINEAR);
    assertEquals(new MergeReport(3, 0, 0, 0), Merge.report(weights, delta, samples(3, 1)));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void unmergeRestoresTheBits(DType dtype) {
    var weights = random(AdapterSpec.lora(IN, OUT, 5).upBias().build(), 1);
    MergeDelta delta = Merge.delta(weights, ARENA);
    MemorySegment memory = ARENA.allocate((long) OUT * (IN + 3) * dtype.byteSize());
    Tensor w0 = Tensor.strided(memory, dtype, OUT, IN, IN + 3);
    Tensor bias = Tensor.allocate(ARENA, dtype, OUT);
    var random = new Random(6);
    // All bit patterns, infinities and NaN with their payloads included.
    for (long i = 0; i < memory.byteSize(); i++) {
      memory.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
    }
    w0.set(0, 0, 0.5f);
    byte[] before = memory.toArray(ValueLayout.JAVA_BYTE);
    MergedLayer layer = Merge.apply(delta, w0, bias, ARENA);
    assertTrue(layer.isMerged());
    assertNotEquals(-1, memory.mismatch(MemorySegment.ofArray(before)));
    assertEquals(0.5f + delta.weight().get(0, 0), w0.get(0, 0), 4e-3);
    assertEquals(bias(delta)[3], bias.get(0, 3), 4e-3);
    layer.unmerge();
    assertEquals(-1, memory.mismatch(MemorySegment.ofArray(before)));
    assertEquals(0, bias.get(0, 3));
    assertFalse(layer.isMerged());
    assertThrows(IllegalStateException.class, layer::unmerge);
  }

  @Test
  void mergesAreUndoneInReverseOrder() {
    Tensor w0 = Tensor.allocate(ARENA, DType.BF16, OUT, IN);
    MergeDelta delta = Merge.delta(random(AdapterSpec.lora(IN, OUT, 5).build(), 1), ARENA);
    MergedLayer first = Merge.apply(delta, w0, ARENA);
    float once = w0.get(2, 3);
    MergedLayer second = Merge.apply(delta, w0, ARENA);
    var error = assertThrows(IllegalStateException.class, first::unmerge);
    assertTrue(String.valueOf(error.getMessage()).startsWith("w0:"), error.toString());
    second.unmerge();
    assertEquals(once, w0.get(2, 3));
    first.unmerge();
    assertEquals(0, w0.get(2, 3));
  }

  @ParameterizedTest
  @MethodSource("notExactlyMergeable")
  void sayWhichMergeTheyHaveInstead(AdapterSpec spec) {
    var weights = random(spec, 1);
    boolean aurora = spec.parameters().contains(Parameter.H);
    String exact = refusal(() -> Merge.delta(weights, ARENA));
    assertTrue(exact.contains("calibratedDelta"), exact);
    assertEquals(aurora, exact.contains("staticDelta"), exact);
    String name = aurora ? "AuroRA" : spec.parameters().contains(Parameter.V) ? "NoLoRA" : "NoRA";
    assertTrue(exact.startsWith(name), exact);
    if (!aurora) {
      String still = refusal(() -> Merge.staticDelta(weights, ARENA));
      assertTrue(still.startsWith(name) && still.contains("calibratedDelta"), still);
    }
  }

  @Test
  void refusesOtherImpossibleMerges() {
    var lora = random(AdapterSpec.lora(IN, OUT, 2).build(), 1);
    assertTrue(refusal(() -> Merge.staticDelta(lora, ARENA)).startsWith("LoRA"));
    var still = random(AdapterSpec.aurora(IN, OUT, 2).staticForm().build(), 1);
    assertTrue(refusal(() -> calibrated(still, Calibration.LINEAR)).startsWith("AuroRA-S"));
    var biased = random(AdapterSpec.aurora(IN, OUT, 2).downBias().build(), 1);
    assertTrue(refusal(() -> Merge.staticDelta(biased, ARENA)).contains("bias"));
  }

  @Test
  void refusesBadArgumentsByName() {
    var weights = random(AdapterSpec.lora(IN, OUT, 2).upBias().build(), 1);
    MergeDelta delta = Merge.delta(weights, ARENA);
    Tensor w0 = Tensor.allocate(ARENA, DType.F32, OUT, IN);
    Tensor bias = Tensor.allocate(ARENA, DType.F32, OUT);
    assertRefused("scale:", () -> Merge.delta(weights, Float.NaN, ARENA));
    assertRefused("bias:", () -> Merge.apply(delta, w0, ARENA));
    assertRefused("bias:", () -> Merge.apply(delta, w0, w0, ARENA));
    assertRefused(
        "delta:",
        () -> Merge.apply(delta, Tensor.allocate(ARENA, DType.F32, IN, OUT), bias, ARENA));
    Tensor readOnly = Tensor.of(w0.segment().asReadOnly(), DType.F32, OUT, IN);
    assertRefused("w0:", () -> Merge.apply(delta, readOnly, bias, ARENA));
    assertThrows(OverlapException.class, () -> Merge.apply(delta, delta.weight(), bias, ARENA));
    assertThrows(
        ShapeMismatchException.class,
        () -> Merge.report(weights, delta, Tensor.allocate(ARENA, DType.F32, 3, OUT)));
    Tensor none = Tensor.allocate(ARENA, DType.F32, 0, IN);
    assertRefused("samples:", () -> Merge.report(weights, delta, none));
    Tensor nan = samples(3, 1);
    nan.set(2, 5, Float.NaN);
    assertRefused("samples:", () -> Merge.report(weights, delta, nan));
    assertRefused("samples:", () -> Merge.calibratedDelta(weights, nan, Calibration.LINEAR, ARENA));
    for (double value : MergeMath.values(w0)) {
      assertEquals(0, value);
    }
  }

  private static String refusal(Runnable call) {
    return String.valueOf(assertThrows(UnsupportedSpecException.class, call::run).getMessage());
  }

  private static void assertRefused(String start, Runnable call) {
    var error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(String.valueOf(error.getMessage()).startsWith(start), error.toString());
  }

  private static MergeDelta calibrated(AdapterWeights weights, Calibration calibration) {
    return Merge.calibratedDelta(weights, samples(400, 3), calibration, ARENA);
  }

  private static double error(AdapterWeights weights, MergeDelta delta, Tensor x) {
    return Merge.report(weights, delta, x).relativeError();
  }

  private static double[] bias(MergeDelta delta) {
    Tensor bias = delta.bias();
    if (bias == null) {
      throw new AssertionError("no bias");
    }
    return MergeMath.values(bias);
  }

  private static double[] dynamic(AdapterWeights weights, float scale, Tensor x) {
    var options = CallOptions.of(weights.spec()).withScale(scale);
    return new AdapterOracle(weights)
        .forward(MergeMath.values(x), (int) x.rows(), options, false)
        .y();
  }

  /** X ΔWᵀ + Δb. */
  private static double[] merged(MergeDelta delta, Tensor x) {
    double[] y = new double[(int) x.rows() * OUT];
    for (int i = 0; i < y.length; i++) {
      Tensor bias = delta.bias();
      y[i] = bias == null ? 0 : bias.get(0, i % OUT);
      for (int k = 0; k < IN; k++) {
        y[i] += (double) delta.weight().get(i % OUT, k) * x.get(i / OUT, k);
      }
    }
    return y;
  }

  private static void assertNear(double[] expected, double[] actual, double tolerance) {
    double largest = 0;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0);
    assertArrayEquals(expected, actual, tolerance * largest);
  }

  /** All parameters random, B included: an adapter after training. */
  private static AdapterWeights random(AdapterSpec spec, long seed) {
    var weights = AdapterWeights.initialise(spec, seed, ARENA);
    var random = new Random(seed);
    for (Parameter parameter : spec.parameters()) {
      if (parameter != Parameter.A) {
        fill(weights.get(parameter), random);
      }
    }
    return weights;
  }

  private static void fill(Tensor tensor, Random random) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextGaussian());
      }
    }
  }

  private static Tensor samples(int n, long seed) {
    Tensor x = Tensor.allocate(ARENA, DType.F32, n, IN);
    fill(x, new Random(seed));
    return x;
  }
}
