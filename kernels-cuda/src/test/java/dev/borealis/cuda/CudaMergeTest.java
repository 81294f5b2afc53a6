package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.UnsupportedSpecException;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.merge.Calibration;
import dev.borealis.merge.DeviceMerge;
import dev.borealis.merge.Merge;
import dev.borealis.merge.MergeDelta;
import dev.borealis.merge.MergedLayer;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Merges of tensors on the device beside those of the host: both in double, rounded once. */
class CudaMergeTest extends OnDevice {
  private static final int IN = 70; // beyond a tile
  private static final int OUT = 67;
  private static final float SCALE = 0.7f;

  /** Twice F32's: sums in double are taken in another order, and may round to the neighbour. */
  private static final double ULP = 0x1p-22;

  private AdapterWeights toDevice(AdapterWeights host) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    host.parameters().forEach(parameter -> tensors.put(parameter, toDevice(host.get(parameter))));
    return new AdapterWeights(host.spec(), tensors);
  }

  private Tensor random(int seed, DType type, double bound, long rows, long columns) {
    return CudaShapesTest.random(new SplittableRandom(seed), arena, type, bound, rows, columns);
  }

  private AdapterWeights weights(AdapterSpec spec) {
    return CudaShapesTest.weights(spec, new SplittableRandom(spec.rank()), arena);
  }

  private void requireSame(MergeDelta expected, MergeDelta actual, double tolerance) {
    double largest = largest(expected.weight());
    assertTrue(largest > 0);
    requireClose(expected.weight(), actual.weight(), tolerance * largest);
    Tensor bias = expected.bias();
    assertEquals(bias == null, actual.bias() == null);
    if (bias != null) {
      // An intercept may be what is left of means that cancel each other.
      double scale = Math.max(largest, largest(bias));
      requireClose(bias, Objects.requireNonNull(actual.bias()), tolerance * scale);
    }
  }

  private static double largest(Tensor tensor) {
    return Arrays.stream(CudaShapesTest.values(tensor)).map(Math::abs).max().orElseThrow();
  }

  private void requireClose(Tensor expected, Tensor actual, double tolerance) {
    assertEquals(cuda.location(), actual.location());
    assertArrayEquals(CudaShapesTest.values(expected), toHost(actual), tolerance);
  }

  static List<AdapterSpec> exact() {
    return List.of(
        AdapterSpec.lora(IN, OUT, 5).build(),
        AdapterSpec.lora(IN, OUT, 1).gain().modulation().upBias().build(),
        AdapterSpec.mosLora(IN, OUT, 17).modulation().gain().downBias().upBias().build(),
        AdapterSpec.noLora(IN, OUT, 6, Activation.IDENTITY).downBias().build(),
        AdapterSpec.aurora(IN, OUT, 3).staticForm().modulation().gain().upBias().build());
  }

  @ParameterizedTest
  @MethodSource("exact")
  void theExactMergeIsTheHosts(AdapterSpec spec) {
    AdapterWeights weights = weights(spec);
    MergeDelta expected = Merge.delta(weights, SCALE, arena);
    for (StandIn.Order order : StandIn.Order.values()) {
      StandIn.order(order);
      DeviceMerge merge = new DeviceMerge(cuda, stream);
      requireSame(expected, merge.delta(toDevice(weights), SCALE, arena), ULP);
    }
  }

  static Stream<AdapterSpec> aurora() {
    List<AdapterSpec> specs = new ArrayList<>();
    for (SplineMode mode : SplineMode.values()) {
      specs.add(AdapterSpec.aurora(IN, OUT, 4).spline(mode).upBias().build());
    }
    for (Activation activation : List.of(Activation.LEAKY_RELU, Activation.SIGMOID)) {
      specs.add(AdapterSpec.aurora(IN, OUT, 9).activation(activation).gain().build());
    }
    return specs.stream();
  }

  @ParameterizedTest
  @MethodSource("aurora")
  void theStaticMergeIsTheHosts(AdapterSpec spec) {
    AdapterWeights weights = weights(spec);
    MergeDelta expected = Merge.staticDelta(weights, SCALE, arena);
    DeviceMerge merge = new DeviceMerge(cuda, stream);
    requireSame(expected, merge.staticDelta(toDevice(weights), SCALE, arena), ULP);
  }

  static Stream<AdapterSpec> nonlinear() {
    List<AdapterSpec> specs = new ArrayList<>();
    for (Activation activation : Activation.values()) {
      specs.add(AdapterSpec.noLora(IN, OUT, 3, activation).downBias().build());
    }
    specs.add(AdapterSpec.noLora(IN, OUT, 5).gain().upBias().build());
    specs.add(AdapterSpec.noraSwiGlu(IN, OUT, 4).build());
    specs.add(AdapterSpec.mosLora(IN, OUT, 4).build());
    return Stream.concat(specs.stream(), aurora());
  }

  @ParameterizedTest
  @MethodSource("nonlinear")
  void theCalibratedMergeIsTheHosts(AdapterSpec spec) {
    AdapterWeights weights = weights(spec);
    AdapterWeights deviceWeights = toDevice(weights);
    // More than a block, with gaps between the rows.
    Tensor samples = random(2, DType.BF16, 2, 1100, IN + 3).columnSlice(1, IN + 1);
    Tensor deviceSamples = toDevice(samples);
    DeviceMerge merge = new DeviceMerge(cuda, stream);
    for (Calibration calibration : Calibration.values()) {
      requireSame(
          Merge.calibratedDelta(weights, samples, calibration, SCALE, arena),
          merge.calibratedDelta(deviceWeights, deviceSamples, calibration, SCALE, arena),
          1e-6);
    }
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void applyingHasTheHostsBitsAndIsUndoneToTheBit(DType type) {
    AdapterWeights weights = weights(AdapterSpec.lora(IN, OUT, 5).upBias().build());
    MergeDelta delta = Merge.delta(weights, arena);
    Tensor deltaBias = Objects.requireNonNull(delta.bias());
    MergeDelta deviceDelta = new MergeDelta(toDevice(delta.weight()), toDevice(deltaBias));
    Tensor w0 = random(3, type, 1e-2, OUT, IN + 5);
    w0.set(4, 4, Float.NaN);
    w0.set(4, 5, Float.POSITIVE_INFINITY);
    Tensor bias = random(4, type, 1, 1, OUT).part(0, OUT);
    Tensor deviceW0 = toDevice(w0);
    Tensor deviceBias = toDevice(bias);
    double[] before = toHost(deviceW0);
    double[] biasBefore = toHost(deviceBias);
    Merge.apply(delta, w0.columnSlice(2, IN + 2), bias, arena);
    DeviceMerge merge = new DeviceMerge(cuda, stream);
    Tensor target = deviceW0.columnSlice(2, IN + 2);
    MergedLayer layer = merge.apply(deviceDelta, target, deviceBias, arena);
    assertArrayEquals(CudaShapesTest.values(w0), toHost(deviceW0), 0);
    assertArrayEquals(CudaShapesTest.values(bias), toHost(deviceBias), 0);
    assertNotEquals(before[2], toHost(deviceW0)[2]);
    // A later merge has to be undone first.
    MergedLayer second = merge.apply(deviceDelta, target, deviceBias, arena);
    IllegalStateException e = assertThrows(IllegalStateException.class, layer::unmerge);
    assertEquals(
        "w0: expected it as the merge left it, came changed; undo later merges first",
        e.getMessage());
    second.unmerge();
    layer.unmerge();
    assertArrayEquals(before, toHost(deviceW0), 0);
    assertArrayEquals(biasBefore, toHost(deviceBias), 0);
    assertThrows(IllegalStateException.class, layer::unmerge);
  }

  /** Where a sum of two floats is not exact, and near the middle of two 16-bit numbers. */
  @ParameterizedTest
  @EnumSource(DType.class)
  void sumsAreRoundedOnce(DType type) {
    int n = 512;
    Tensor delta = Tensor.allocate(arena, DType.F32, 1, n);
    Tensor w0 = Tensor.allocate(arena, type, 1, n);
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < n; i++) {
      float sign = random.nextBoolean() ? 1 : -1;
      w0.set(0, i, sign * (1 + random.nextInt(128) * 0x1p-7f));
      float half = type == DType.F16 ? 0x1p-11f : 0x1p-8f;
      delta.set(0, i, sign * half + (random.nextInt(5) - 2) * 0x1p-31f);
    }
    Tensor deviceW0 = toDevice(w0);
    MergeDelta deviceDelta = new MergeDelta(toDevice(delta), null);
    Merge.apply(new MergeDelta(delta, null), w0, arena);
    new DeviceMerge(cuda, stream).apply(deviceDelta, deviceW0, null, arena);
    assertArrayEquals(CudaShapesTest.values(w0), toHost(deviceW0), 0);
  }

  @Test
  void everyChangedBitShows() {
    for (DType type : DType.values()) {
      Tensor w0 = cuda.allocate(arena, type, 3, 300);
      DeviceMerge merge = new DeviceMerge(cuda, stream);
      MergeDelta none = new MergeDelta(cuda.allocate(arena, DType.F32, 3, 300), null);
      MergedLayer layer = merge.apply(none, w0, null, arena);
      Tensor minusZero = Tensor.allocate(arena, type, 1, 1);
      minusZero.set(0, 0, -0.0f);
      stream.copy(minusZero, w0.rowSlice(1, 2).columnSlice(277, 278));
      assertThrows(IllegalStateException.class, layer::unmerge);
      stream.zero(w0);
      layer.unmerge();
    }
  }

  private static void requireMessage(
      Class<? extends RuntimeException> type, String start, Runnable call) {
    RuntimeException e = assertThrows(type, call::run);
    assertTrue(String.valueOf(e.getMessage()).startsWith(start), e::toString);
  }

  /** The host's words, and the tensor that is elsewhere. */
  @Test
  void refusalsAreTheHosts() {
    DeviceMerge merge = new DeviceMerge(cuda, stream);
    AdapterWeights lora = weights(AdapterSpec.lora(IN, OUT, 2).build());
    AdapterWeights deviceLora = toDevice(lora);
    AdapterWeights nora = toDevice(weights(AdapterSpec.nora(IN, OUT, 2).build()));
    Class<IllegalArgumentException> illegal = IllegalArgumentException.class;
    requireMessage(
        illegal,
        "lora_A.weight: expected a tensor on cuda:0, came Tensor[2, 70] F32 on the host",
        () -> merge.delta(lora, 1, arena));
    requireMessage(
        illegal,
        "lora_A.weight: expected a tensor on host, came Tensor[2, 70] F32 on cuda:0",
        () -> Merge.delta(deviceLora, 1, arena));
    requireMessage(illegal, "scale:", () -> merge.delta(deviceLora, Float.NaN, arena));
    requireMessage(
        UnsupportedSpecException.class,
        "NoRA: expected a linear or static adapter",
        () -> merge.delta(nora, 1, arena));
    requireMessage(
        UnsupportedSpecException.class,
        "LoRA: expected AuroRA for a static merge",
        () -> merge.staticDelta(deviceLora, 1, arena));
    Tensor samples = random(1, DType.F16, 1, 5, IN);
    requireMessage(
        illegal,
        "samples: expected a tensor on cuda:0",
        () -> merge.calibratedDelta(nora, samples, Calibration.LINEAR, 1, arena));
    samples.set(3, 65, Float.POSITIVE_INFINITY);
    samples.set(4, 2, Float.NaN);
    Tensor deviceSamples = toDevice(samples);
    requireMessage(
        illegal,
        "samples: expected finite numbers, came Infinity in row 3",
        () -> merge.calibratedDelta(nora, deviceSamples, Calibration.LINEAR, 1, arena));
    MergeDelta delta = merge.delta(deviceLora, 1, arena);
    Tensor w0 = random(2, DType.F32, 1, OUT, IN);
    requireMessage(
        illegal, "w0: expected a tensor on cuda:0", () -> merge.apply(delta, w0, null, arena));
  }

  /** Launches every kernel of merges. */
  static void merge(AdapterSpec spec, DType type, Arena arena) {
    Backend cuda = Backend.require("cuda");
    AdapterWeights weights = cuda.allocateWeights(spec, arena);
    Tensor samples = cuda.allocate(arena, type, 70, spec.inFeatures());
    try (DeviceStream stream = cuda.stream()) {
      DeviceMerge merge = new DeviceMerge(cuda, stream);
      MergeDelta delta = merge.calibratedDelta(weights, samples, Calibration.AFFINE, 1, arena);
      Tensor w0 = cuda.allocate(arena, type, spec.outFeatures(), spec.inFeatures());
      merge.apply(delta, w0, cuda.allocate(arena, type, spec.outFeatures()), arena).unmerge();
    }
  }

  @Test
  void mergesLeaveNothingOnTheDevice() {
    StandIn.assumeUsed();
    AdapterWeights weights =
        toDevice(weights(AdapterSpec.aurora(IN, OUT, 4).downBias().upBias().build()));
    Tensor samples = toDevice(random(1, DType.F32, 1, 40, IN));
    stream.synchronize();
    int before = StandIn.allocations();
    try (Arena results = Arena.ofShared()) {
      DeviceMerge merge = new DeviceMerge(cuda, stream);
      MergeDelta delta = merge.calibratedDelta(weights, samples, Calibration.AFFINE, 1, results);
      Tensor w0 = cuda.allocate(results, DType.BF16, OUT, IN);
      merge.apply(delta, w0, cuda.allocate(results, DType.F32, OUT), results).unmerge();
      assertEquals(before + 6, StandIn.allocations());
    }
    assertEquals(before, StandIn.allocations());
  }
}
