package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.GuardedTensor;
import dev.borealis.testing.GuardedTensor.Place;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** What a call computes depends on its numbers alone: the same bits, however it is computed. */
class SameBitsTest {
  // Two column groups of 256 in backward, two blocks of 48 tokens, odd tails.
  private static final int IN = 277;
  private static final int OUT = 261;
  private static final int RANK = 5;
  private static final int N = 71;

  private static final PanamaEngine ALONE = new PanamaEngine(1);

  private static Adapter adapter(PanamaEngine engine, AdapterWeights weights) {
    return new Adapter(weights, engine.prepare(weights));
  }

  private static Linear linear(PanamaEngine engine, Arena arena) {
    Tensor w0 = Tensor.allocate(arena, DType.F32, OUT, IN);
    Tensor bias = Tensor.allocate(arena, DType.F32, OUT);
    SplittableRandom random = new SplittableRandom(3);
    Methods.fill(w0, random, 0.1);
    Methods.fill(bias, random, 1);
    return new Linear(IN, OUT, engine.prepareLinear(w0, bias));
  }

  private static Tensor random(Place place, long gap, Arena arena, long seed, long n, long d) {
    return GuardedTensor.of(place, arena, DType.F32, gap, n, d)
        .randomise(new SplittableRandom(seed), 1)
        .tensor();
  }

  private static int[] bits(Tensor tensor) {
    int columns = (int) tensor.columns();
    int[] bits = new int[(int) tensor.rows() * columns];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(tensor.get(i / columns, i % columns));
    }
    return bits;
  }

  private static void assertSame(List<int[]> expected, List<int[]> came, String name) {
    assertTrue(expected.size() == came.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), came.get(i), name + ", output " + i);
    }
  }

  /** Forward and backward of one adapter: Y, dX and all gradients, each added to random numbers. */
  private static List<int[]> step(
      Adapter adapter, Workspace workspace, Place place, long gap, Arena arena, boolean gradients) {
    AdapterSpec spec = adapter.spec();
    Tensor x = random(place, gap, arena, 1, N, IN);
    Tensor y = random(place, gap, arena, 2, N, OUT);
    Tensor dY = random(place, gap, arena, 3, N, OUT);
    Tensor dX = random(place, gap, arena, 4, N, IN);
    adapter.forward(x, y, CallOptions.of(spec).withDropout(77, 5), workspace);
    List<int[]> results = new ArrayList<>();
    results.add(bits(y));
    if (workspace.mode() == Mode.TRAINING) {
      AdapterGradients all = AdapterGradients.allocate(spec, arena);
      SplittableRandom random = new SplittableRandom(5);
      all.parameters().forEach(p -> Methods.fill(all.get(p), random, 1));
      adapter.backward(x, dY, dX, gradients ? all : null, workspace);
      results.add(bits(dX));
      for (Parameter parameter : all.parameters()) {
        results.add(bits(all.get(parameter)));
      }
    }
    return results;
  }

  private static List<int[]> linearStep(Linear linear, Place place, long gap, Arena arena) {
    Tensor x = random(place, gap, arena, 1, N, IN);
    Tensor y = random(place, gap, arena, 2, N, OUT);
    Tensor dX = random(place, gap, arena, 4, N, IN);
    linear.forward(x, y);
    linear.backward(random(place, gap, arena, 3, N, OUT), dX, Update.ACCUMULATE);
    return List.of(bits(y), bits(dX));
  }

  private static List<AdapterSpec> methods() {
    List<AdapterSpec> methods = Methods.all(IN, OUT, RANK, true);
    // Large ranks go another way.
    methods.addAll(Methods.all(IN, OUT, 64, true).subList(0, 3));
    return methods;
  }

  @Test
  void onAnyNumberOfThreads() {
    List<PanamaEngine> engines =
        List.of(new PanamaEngine(2), new PanamaEngine(3), new PanamaEngine(7));
    try (Arena arena = Arena.ofShared()) {
      for (AdapterSpec spec : methods()) {
        AdapterWeights weights = Methods.weights(spec, 9, arena);
        for (Mode mode : Mode.values()) {
          List<int[]> expected;
          try (Adapter adapter = adapter(ALONE, weights)) {
            expected =
                step(adapter, adapter.workspace(N, mode, arena), Place.NATIVE, 0, arena, true);
          }
          for (PanamaEngine engine : engines) {
            try (Adapter adapter = adapter(engine, weights)) {
              Workspace workspace = adapter.workspace(N, mode, arena);
              assertSame(
                  expected,
                  step(adapter, workspace, Place.NATIVE, 0, arena, true),
                  spec + " on " + engine.capabilities());
            }
          }
        }
      }
      List<int[]> expected;
      try (Linear linear = linear(ALONE, arena)) {
        expected = linearStep(linear, Place.NATIVE, 0, arena);
      }
      for (PanamaEngine engine : engines) {
        try (Linear linear = linear(engine, arena)) {
          assertSame(
              expected, linearStep(linear, Place.NATIVE, 0, arena), engine.capabilities() + "");
        }
      }
    }
  }

  @Test
  void inAnyMemoryAndAgainInTheSameWorkspace() {
    PanamaEngine engine = new PanamaEngine(2);
    try (Arena arena = Arena.ofShared();
        Arena confined = Arena.ofConfined()) {
      for (AdapterSpec spec : methods()) {
        AdapterWeights weights = Methods.weights(spec, 9, arena);
        try (Adapter adapter = adapter(engine, weights)) {
          Workspace workspace = adapter.workspace(N + 30, Mode.TRAINING, arena);
          List<int[]> expected = step(adapter, workspace, Place.NATIVE, 0, arena, true);
          for (Place place : Place.values()) {
            assertSame(
                expected,
                step(adapter, workspace, place, 3, arena, true),
                spec + " in " + place + ", rows apart");
          }
          Workspace own = adapter.workspace(N, Mode.TRAINING, confined);
          assertSame(
              expected,
              step(adapter, own, Place.NATIVE, 0, confined, true),
              spec + " in a confined arena");
          // dX does not depend on whether the parameters' gradients are wanted.
          assertArrayEquals(
              expected.get(1), step(adapter, own, Place.NATIVE, 0, arena, false).get(1));
        }
      }
      try (Linear linear = linear(engine, arena)) {
        List<int[]> expected = linearStep(linear, Place.NATIVE, 0, arena);
        for (Place place : Place.values()) {
          assertSame(expected, linearStep(linear, place, 3, arena), "linear in " + place);
        }
        assertSame(expected, linearStep(linear, Place.NATIVE, 0, confined), "linear, confined");
      }
    }
  }

  @Test
  void ofARowAloneAndInABatch() {
    PanamaEngine engine = new PanamaEngine(2);
    try (Arena arena = Arena.ofShared()) {
      Tensor x = random(Place.NATIVE, 0, arena, 1, N, IN);
      Tensor y = Tensor.allocate(arena, DType.F32, N, OUT);
      Tensor alone = Tensor.allocate(arena, DType.F32, N, OUT);
      List<AdapterSpec> methods = Methods.all(IN, OUT, RANK, false);
      methods.addAll(Methods.all(IN, OUT, 64, false).subList(0, 3));
      for (AdapterSpec spec : methods) {
        AdapterWeights weights = Methods.weights(spec, 9, arena);
        CallOptions overwrite = CallOptions.of(spec).withOutput(Update.OVERWRITE);
        try (Adapter adapter = adapter(engine, weights);
            Linear linear = linear(engine, arena)) {
          for (Mode mode : Mode.values()) {
            Workspace workspace = adapter.workspace(N, mode, arena);
            adapter.forward(x, y, overwrite, workspace);
            for (int row = 0; row < N; row++) {
              adapter.forward(
                  x.rowSlice(row, row + 1), alone.rowSlice(row, row + 1), overwrite, workspace);
            }
            assertArrayEquals(bits(y), bits(alone), spec + " for " + mode);
            adapter.forward(x.rowSlice(37, N), alone.rowSlice(37, N), overwrite, workspace);
            assertArrayEquals(bits(y), bits(alone), spec + " for " + mode + ", from row 37");
          }
          Workspace workspace = adapter.workspace(N, Mode.INFERENCE, arena);
          linear.forward(x, y, adapter, workspace);
          for (int row = 0; row < N; row++) {
            linear.forward(
                x.rowSlice(row, row + 1), alone.rowSlice(row, row + 1), adapter, workspace);
          }
          assertArrayEquals(bits(y), bits(alone), "linear and " + spec);
        }
      }
      try (Linear linear = linear(engine, arena)) {
        linear.forward(x, y);
        Tensor dX = Tensor.allocate(arena, DType.F32, N, IN);
        Tensor dXAlone = Tensor.allocate(arena, DType.F32, N, IN);
        linear.backward(y, dX, Update.OVERWRITE);
        for (int row = 0; row < N; row++) {
          Tensor own = alone.rowSlice(row, row + 1);
          linear.forward(x.rowSlice(row, row + 1), own);
          linear.backward(own, dXAlone.rowSlice(row, row + 1), Update.OVERWRITE);
        }
        assertArrayEquals(bits(y), bits(alone), "linear");
        assertArrayEquals(bits(dX), bits(dXAlone), "linear, backward");
      }
    }
  }

  /** Nothing to compute, but gradients to overwrite; the workspace's memory is one thread's. */
  @Test
  void ofNoTokensInAConfinedArena() {
    PanamaEngine engine = new PanamaEngine(2);
    try (Arena arena = Arena.ofShared();
        Arena confined = Arena.ofConfined()) {
      for (AdapterSpec spec : methods()) {
        try (Adapter adapter = adapter(engine, Methods.weights(spec, 9, arena))) {
          Workspace workspace = adapter.workspace(0, Mode.TRAINING, confined);
          Tensor x = Tensor.allocate(arena, DType.F32, 0, IN);
          Tensor y = Tensor.allocate(arena, DType.F32, 0, OUT);
          AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
          for (Parameter parameter : spec.parameters()) {
            gradients.get(parameter).segment().fill((byte) 0xff);
          }
          adapter.forward(x, y, CallOptions.of(spec).withDropout(1, 1), workspace);
          adapter.backward(x, y, x, gradients, GradientOptions.OVERWRITE, workspace);
          for (Parameter parameter : spec.parameters()) {
            for (int value : bits(gradients.get(parameter))) {
              assertTrue(Float.intBitsToFloat(value) == 0, () -> parameter + " of " + spec);
            }
          }
        }
      }
    }
  }

  @Test
  void forCallersAtTheSameTime() throws Exception {
    PanamaEngine engine = new PanamaEngine(3);
    try (Arena arena = Arena.ofShared();
        ExecutorService callers = Executors.newFixedThreadPool(4)) {
      List<AdapterSpec> methods = methods();
      for (int i = 0; i < methods.size(); i += 3) {
        AdapterSpec spec = methods.get(i);
        AdapterWeights weights = Methods.weights(spec, 9, arena);
        try (Adapter adapter = adapter(engine, weights);
            Linear linear = linear(engine, arena)) {
          List<int[]> expected =
              step(
                  adapter,
                  adapter.workspace(N, Mode.TRAINING, arena),
                  Place.NATIVE,
                  0,
                  arena,
                  true);
          List<int[]> linearExpected = linearStep(linear, Place.NATIVE, 0, arena);
          List<Future<?>> all = new ArrayList<>();
          for (int caller = 0; caller < 4; caller++) {
            all.add(
                callers.submit(() -> {
                  Workspace own = adapter.workspace(N, Mode.TRAINING, arena);
                  for (int run = 0; run < 2; run++) {
                    assertSame(
                        expected,
                        step(adapter, own, Place.NATIVE, 0, arena, true),
                        spec + " beside other callers");
                    assertSame(
                        linearExpected,
                        linearStep(linear, Place.NATIVE, 0, arena),
                        "linear beside other callers");
                  }
                }));
          }
          for (Future<?> caller : all) {
            caller.get();
          }
        }
      }
    }
  }
}
