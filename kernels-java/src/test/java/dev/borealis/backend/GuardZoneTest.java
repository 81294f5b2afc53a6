package dev.borealis.backend;

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
import dev.borealis.testing.Backends;
import dev.borealis.testing.GuardedTensor;
import dev.borealis.testing.GuardedTensor.Place;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * For every tail of columns and many of tokens and ranks: outputs are written inside their elements
 * only, and nothing outside an input is read. Segments end with their last element, so that a
 * vector that reached beyond would throw; the gaps between rows are NaN, which would show in the
 * outputs, all of which are finite otherwise.
 */
@Tag("widths")
class GuardZoneTest {
  private static final int MAX_COLUMNS = 70;
  private static final int MAX_TOKENS = 100;
  private static final int MAX_RANK = 20;

  private final List<GuardedTensor> outputs = new ArrayList<>();

  private static GuardedTensor tensor(
      SplittableRandom random, Arena arena, DType dtype, long... shape) {
    // Mostly native F32: what kernels work on where it lies.
    Place place =
        random.nextBoolean() ? Place.NATIVE : RandomAdapters.choose(random, Place.values());
    long gap = shape.length == 2 ? random.nextInt(0, 19) : 0;
    return GuardedTensor.of(place, arena, dtype, gap, shape).randomise(random, 1);
  }

  private static DType dtype(SplittableRandom random) {
    return random.nextInt(3) > 0 ? DType.F32 : RandomAdapters.choose(random, DType.values());
  }

  private Tensor output(SplittableRandom random, Arena arena, DType dtype, long... shape) {
    GuardedTensor tensor = tensor(random, arena, dtype, shape);
    outputs.add(tensor);
    return tensor.tensor();
  }

  private void check(String name) {
    for (GuardedTensor output : outputs) {
      assertTrue(output.isUnchangedAround(), () -> name + " wrote around " + output);
      Tensor tensor = output.tensor();
      for (long row = 0; row < tensor.rows(); row++) {
        for (long column = 0; column < tensor.columns(); column++) {
          boolean finite = Float.isFinite(tensor.get(row, column));
          assertTrue(finite, () -> name + " read around its inputs for " + output);
        }
      }
    }
    outputs.clear();
  }

  static Stream<Backend> backends() {
    return Backends.all();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void adapters(Backend backend) {
    int calls = 0;
    for (int columns = 1; columns <= MAX_COLUMNS; columns++) {
      SplittableRandom random = new SplittableRandom(columns);
      int in = columns;
      int out = 1 + (columns * 29) % MAX_COLUMNS;
      int rank = 1 + columns % MAX_RANK;
      List<AdapterSpec> methods = Methods.all(in, out, rank, columns % 2 == 0);
      for (int draw = 0; draw < 3; draw++) {
        AdapterSpec spec = methods.get(random.nextInt(methods.size()));
        int n = random.nextInt(1, MAX_TOKENS + 1);
        try (Arena arena = Arena.ofShared()) {
          adapter(backend, spec, n, random, arena);
        }
        calls++;
      }
    }
    assertTrue(calls == 3 * MAX_COLUMNS);
  }

  private void adapter(
      Backend backend, AdapterSpec spec, int n, SplittableRandom random, Arena arena) {
    AdapterWeights weights = Methods.weights(spec, 1, arena);
    String name = backend.name() + ", " + spec + ", " + n + " tokens";
    Update update = RandomAdapters.choose(random, Update.values());
    CallOptions options = CallOptions.of(spec).withDropout(random.nextLong(), 1).withOutput(update);
    try (Adapter adapter = backend.prepare(weights)) {
      for (Mode mode : Mode.values()) {
        Workspace workspace = adapter.workspace(n, mode, arena);
        DType in = dtype(random);
        DType out = random.nextBoolean() ? in : DType.F32;
        Tensor x = tensor(random, arena, in, n, spec.inFeatures()).tensor();
        adapter.forward(x, output(random, arena, out, n, spec.outFeatures()), options, workspace);
        check(name + ", forward for " + mode);
        if (mode == Mode.TRAINING) {
          Tensor dY = tensor(random, arena, in, n, spec.outFeatures()).tensor();
          Map<Parameter, Tensor> gradients = new EnumMap<>(Parameter.class);
          for (Parameter parameter : spec.parameters()) {
            gradients.put(parameter, output(random, arena, DType.F32, spec.shape(parameter)));
          }
          adapter.backward(
              x,
              dY,
              output(random, arena, out, n, spec.inFeatures()),
              new AdapterGradients(spec, gradients),
              new GradientOptions(update, update),
              workspace);
          check(name + ", backward");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void baseLayers(Backend backend) {
    for (int columns = 1; columns <= MAX_COLUMNS; columns++) {
      SplittableRandom random = new SplittableRandom(columns);
      int in = columns;
      int out = 1 + (columns * 31) % MAX_COLUMNS;
      int n = random.nextInt(1, MAX_TOKENS + 1);
      String name = backend.name() + ", [" + out + ", " + in + "], " + n + " tokens";
      try (Arena arena = Arena.ofShared();
          Linear linear =
              backend.prepareLinear(
                  tensor(random, arena, dtype(random), out, in).tensor(),
                  tensor(random, arena, dtype(random), out).tensor())) {
        DType from = dtype(random);
        DType to = random.nextBoolean() ? from : DType.F32;
        linear.forward(
            tensor(random, arena, from, n, in).tensor(), output(random, arena, to, n, out));
        check(name + ", forward");
        for (Update update : Update.values()) {
          linear.backward(
              tensor(random, arena, from, n, out).tensor(),
              output(random, arena, to, n, in),
              update);
          check(name + ", backward, " + update);
        }
      }
    }
  }
}
