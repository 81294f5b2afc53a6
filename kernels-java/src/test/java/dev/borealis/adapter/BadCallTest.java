package dev.borealis.adapter;

import static dev.borealis.testing.Nothing.nothing;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Backends;
import dev.borealis.testing.GuardedTensor;
import dev.borealis.testing.GuardedTensor.Place;
import dev.borealis.testing.Threads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Calls with one thing wrong: the exception names the thing, what was expected and what came, and
 * no output has changed by a bit.
 */
class BadCallTest {
  private static final int IN = 19;
  private static final int OUT = 23;
  private static final int N = 5;

  private final SplittableRandom random = new SplittableRandom(11);
  private final Arena arena = Arena.ofShared();
  private final Arena foreign = Threads.foreignArena();
  private final List<GuardedTensor> outputs = new ArrayList<>();

  @AfterEach
  void close() {
    arena.close();
  }

  private Tensor matrix(DType dtype, long rows, long columns) {
    return GuardedTensor.of(Place.NATIVE, arena, dtype, 2, rows, columns)
        .randomise(random, 1)
        .tensor();
  }

  private Tensor f32(long rows, long columns) {
    return matrix(DType.F32, rows, columns);
  }

  private Tensor closed(long... shape) {
    try (Arena shortLived = Arena.ofConfined()) {
      return Tensor.allocate(shortLived, DType.F32, shape);
    }
  }

  private static Tensor readOnly(Tensor tensor) {
    return Tensor.strided(
        tensor.segment().asReadOnly(),
        tensor.dtype(),
        tensor.rows(),
        tensor.columns(),
        tensor.rowStride());
  }

  private Tensor foreign(long... shape) {
    return Threads.elsewhere(() -> Tensor.allocate(Arena.ofConfined(), DType.F32, shape));
  }

  private Tensor output(DType dtype, long rows, long columns) {
    GuardedTensor guarded =
        GuardedTensor.of(Place.NATIVE, arena, dtype, 3, rows, columns).randomise(random, 1);
    outputs.add(guarded);
    return guarded.tensor();
  }

  private AdapterGradients gradients(AdapterSpec spec) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      GuardedTensor guarded =
          GuardedTensor.of(Place.NATIVE, arena, DType.F32, 0, spec.shape(parameter))
              .randomise(random, 1);
      outputs.add(guarded);
      tensors.put(parameter, guarded.tensor());
    }
    return new AdapterGradients(spec, tensors);
  }

  /** Expects an exception whose message has all the words, and every output as it was. */
  private void refused(Class<? extends RuntimeException> type, Executable call, String... words) {
    for (GuardedTensor output : outputs) {
      output.snapshot();
    }
    RuntimeException thrown = assertThrows(type, call);
    assertEquals(type, thrown.getClass());
    String message = String.valueOf(thrown.getMessage());
    for (String word : words) {
      assertTrue(message.contains(word), () -> "expected \"" + word + "\" in: " + message);
    }
    for (GuardedTensor output : outputs) {
      assertTrue(output.isUnchanged(), () -> output + " has changed, although: " + message);
    }
  }

  private static AdapterSpec.Builder everyParameter() {
    return AdapterSpec.noLora(IN, OUT, 3).gain().downBias().upBias();
  }

  private AdapterWeights weights(AdapterSpec spec) {
    AdapterWeights weights = AdapterWeights.initialise(spec, 3, arena);
    Tensor b = weights.get(Parameter.B);
    for (int i = 0; i < b.rows(); i++) {
      b.set(i, 0, i + 1);
    }
    return weights;
  }

  /** A forward and a backward call, ready to be spoilt: both forms and both orders of checks. */
  private interface Forward {
    void call(Tensor x, Tensor y);
  }

  private void badForward(Forward forward) {
    Tensor x = f32(N, IN);
    Tensor y = output(DType.F32, N, OUT);
    Class<ShapeMismatchException> shape = ShapeMismatchException.class;
    refused(shape, () -> forward.call(f32(N, IN + 1), y), "x: ", "[n, 19]", "[5, 20]");
    refused(shape, () -> forward.call(f32(N, IN - 1), y), "x: ", "[n, 19]", "[5, 18]");
    refused(shape, () -> forward.call(Tensor.of(new float[IN], IN), y), "x: ", "[n, 19]", "[19]");
    refused(
        shape,
        () -> forward.call(Tensor.of(new float[N * IN], 1, N, IN), y),
        "x: ",
        "[n, 19]",
        "[1, 5, 19]");
    refused(shape, () -> forward.call(f32(N + 1, IN), y), "y: ", "[6, 23]", "[5, 23]");
    refused(shape, () -> forward.call(f32(0, IN), y), "y: ", "[0, 23]", "[5, 23]");
    refused(
        shape, () -> forward.call(x, output(DType.F32, N, OUT + 1)), "y: ", "[5, 23]", "[5, 24]");
    refused(shape, () -> forward.call(x, output(DType.F32, OUT, N)), "y: ", "[5, 23]", "[23, 5]");
    refused(shape, () -> forward.call(x, Tensor.of(new float[N * OUT], N * OUT)), "y: ", "[5, 23]");

    for (DType in : DType.values()) {
      for (DType out : DType.values()) {
        if (out != in && out != DType.F32) {
          refused(
              DTypeMismatchException.class,
              () -> forward.call(matrix(in, N, IN), output(out, N, OUT)),
              "y: expected " + in,
              "came " + out);
        } else {
          forward.call(matrix(in, N, IN), output(out, N, OUT));
        }
      }
    }

    refused(
        IllegalArgumentException.class,
        () -> forward.call(x, readOnly(y)),
        "y: ",
        "writable",
        "read-only");
    forward.call(readOnly(x), y);

    Tensor shared = output(DType.F32, N, IN + OUT);
    String[] words = {"y: ", "apart from x's", "came"};
    refused(
        OverlapException.class,
        () -> forward.call(shared.columnSlice(0, IN), shared.columnSlice(IN - 1, IN + OUT - 1)),
        words);
    refused(
        OverlapException.class,
        () -> forward.call(shared.columnSlice(OUT - 1, IN + OUT - 1), shared.columnSlice(0, OUT)),
        words);
    Tensor heap = Tensor.of(new float[N * (IN + OUT)], N, IN + OUT);
    refused(
        OverlapException.class,
        () -> forward.call(heap.columnSlice(1, IN + 1), heap.columnSlice(IN, IN + OUT)),
        words);
    // Interleaved, but apart.
    forward.call(shared.columnSlice(0, IN), shared.columnSlice(IN, IN + OUT));
    forward.call(shared.columnSlice(OUT, IN + OUT), shared.columnSlice(0, OUT));
    forward.call(heap.columnSlice(0, IN), heap.columnSlice(IN, IN + OUT));

    Class<IllegalStateException> state = IllegalStateException.class;
    refused(state, () -> forward.call(closed(N, IN), y), "x: ", "live arena", "closed");
    refused(state, () -> forward.call(x, closed(N, OUT)), "y: ", "live arena", "closed");
    refused(state, () -> forward.call(foreign(N, IN), y), "x: ", "another thread's");
    refused(state, () -> forward.call(x, foreign(N, OUT)), "y: ", "another thread's");
    refused(NullPointerException.class, () -> forward.call(nothing(), y), "x");
    refused(NullPointerException.class, () -> forward.call(x, nothing()), "y");

    forward.call(f32(0, IN), output(DType.F32, 0, OUT));
  }

  static Stream<Backend> backends() {
    return Backends.all();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void tensorsOfAForwardCall(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    AdapterWeights weights = weights(spec);
    CallOptions overwrite = CallOptions.of(spec).withOutput(Update.OVERWRITE);
    try (Adapter adapter = backend.prepare(weights);
        Linear linear = backend.prepareLinear(f32(OUT, IN), null)) {
      for (Mode mode : Mode.values()) {
        Workspace workspace = adapter.workspace(N + 1, mode, arena);
        badForward((x, y) -> adapter.forward(x, y, workspace));
        badForward((x, y) -> adapter.forward(x, y, overwrite, workspace));
        badForward((x, y) -> linear.forward(x, y, adapter, workspace));
      }
      badForward(linear::forward);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void workspaceAndOptionsOfAForwardCall(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    CallOptions options = CallOptions.of(spec);
    Tensor x = f32(N, IN);
    Tensor y = output(DType.F32, N, OUT);
    try (Adapter adapter = backend.prepare(weights(spec));
        Adapter other = backend.prepare(weights(spec));
        Linear linear = backend.prepareLinear(f32(OUT, IN), null)) {
      for (Mode mode : Mode.values()) {
        Arena own = Arena.ofConfined();
        Workspace gone = adapter.workspace(N, mode, own);
        own.close();
        Workspace others = other.workspace(N, mode, arena);
        Workspace small = adapter.workspace(N - 1, mode, arena);
        Workspace none = adapter.workspace(0, mode, arena);
        Workspace good = adapter.workspace(N, mode, arena);
        Workspace foreigner =
            Threads.elsewhere(() -> adapter.workspace(N, mode, Arena.ofConfined()));
        Class<IllegalStateException> state = IllegalStateException.class;
        Class<IllegalArgumentException> argument = IllegalArgumentException.class;
        List<Consumer<Workspace>> calls =
            List.of(
                workspace -> adapter.forward(x, y, workspace),
                workspace -> adapter.forward(x, y, options, workspace),
                workspace -> linear.forward(x, y, adapter, workspace),
                workspace -> linear.forward(x, y, adapter, options, workspace));
        for (var call : calls) {
          refused(state, () -> call.accept(gone), "workspace: ", "live", "closed");
          refused(state, () -> call.accept(foreigner), "workspace: ", "another thread's");
          refused(argument, () -> call.accept(others), "workspace: ", "this adapter", "another");
          refused(argument, () -> call.accept(small), "x: ", "4 tokens", "came 5");
          refused(argument, () -> call.accept(none), "x: ", "0 tokens", "came 5");
          refused(NullPointerException.class, () -> call.accept(nothing()), "workspace");
          call.accept(good);
        }
        refused(
            NullPointerException.class, () -> adapter.forward(x, y, nothing(), good), "options");
        refused(
            NullPointerException.class,
            () -> linear.forward(x, y, adapter, nothing(), good),
            "options");
        refused(NullPointerException.class, () -> linear.forward(x, y, nothing(), good), "adapter");
        refused(
            argument,
            () -> linear.forward(x, y, adapter, options.withOutput(Update.OVERWRITE), good),
            "options: ",
            "ACCUMULATE",
            "OVERWRITE");
      }
      refused(
          IllegalArgumentException.class,
          () -> adapter.workspace(-1, Mode.TRAINING, arena),
          "maxTokens: ",
          "at least 0",
          "-1");
      refused(NullPointerException.class, () -> adapter.workspace(1, nothing(), arena), "mode");
      refused(
          NullPointerException.class,
          () -> adapter.workspace(1, Mode.INFERENCE, nothing()),
          "arena");
      Arena shut = Arena.ofShared();
      shut.close();
      for (Mode mode : Mode.values()) {
        refused(
            IllegalStateException.class,
            () -> adapter.workspace(1, mode, shut),
            "arena: ",
            "live",
            "closed");
        refused(
            IllegalStateException.class,
            () -> adapter.workspace(1, mode, foreign),
            "arena: ",
            "another thread's");
      }
    }
    for (float scale : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      refused(
          IllegalArgumentException.class,
          () -> options.withScale(scale),
          "scale: ",
          "finite",
          Float.toString(scale));
    }
    refused(NullPointerException.class, () -> options.withOutput(nothing()), "output");
    refused(
        NullPointerException.class,
        () -> new GradientOptions(nothing(), Update.OVERWRITE),
        "input");
    refused(
        NullPointerException.class,
        () -> new GradientOptions(Update.OVERWRITE, nothing()),
        "parameters");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void tensorsOfABackwardCall(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    try (Adapter adapter = backend.prepare(weights(spec))) {
      Workspace workspace = adapter.workspace(N + 1, Mode.TRAINING, arena);
      Tensor x = f32(N, IN);
      Tensor dY = f32(N, OUT);
      Tensor dX = output(DType.F32, N, IN);
      AdapterGradients gradients = gradients(spec);
      adapter.forward(x, output(DType.F32, N, OUT), workspace);
      Backward call = (a, b, c, d) -> adapter.backward(a, b, c, d, workspace);

      Class<ShapeMismatchException> shape = ShapeMismatchException.class;
      Tensor wideX = f32(N, IN + 1);
      refused(shape, () -> call.of(wideX, dY, dX, gradients), "x: ", "[n, 19]", "[5, 20]");
      refused(
          shape, () -> call.of(x, f32(N + 1, OUT), dX, gradients), "dY: ", "[5, 23]", "[6, 23]");
      refused(shape, () -> call.of(x, f32(N, IN), dX, gradients), "dY: ", "[5, 23]", "[5, 19]");
      refused(
          shape,
          () -> call.of(x, dY, output(DType.F32, N + 1, IN), gradients),
          "dX: ",
          "[5, 19]",
          "[6, 19]");
      refused(
          shape,
          () -> call.of(x, dY, output(DType.F32, N, OUT), null),
          "dX: ",
          "[5, 19]",
          "[5, 23]");
      for (DType in : DType.values()) {
        for (DType out : DType.values()) {
          Tensor from = matrix(in, N, OUT);
          Tensor to = output(out, N, IN);
          if (out != in && out != DType.F32) {
            refused(
                DTypeMismatchException.class,
                () -> call.of(x, from, to, gradients),
                "dX: expected " + in,
                "dY of " + in,
                "came " + out);
          } else {
            call.of(x, from, to, gradients);
          }
        }
      }
      refused(
          IllegalArgumentException.class,
          () -> call.of(x, dY, readOnly(dX), gradients),
          "dX: ",
          "writable",
          "read-only");
      refused(
          OverlapException.class, () -> call.of(dX, dY, dX, gradients), "dX: ", "apart from x's");
      Tensor both = output(DType.F32, N, IN + OUT);
      refused(
          OverlapException.class,
          () -> call.of(x, both.columnSlice(0, OUT), both.columnSlice(OUT - 1, OUT + IN - 1), null),
          "dX: ",
          "apart from dY's");
      call.of(x, both.columnSlice(0, OUT), both.columnSlice(OUT, OUT + IN), null);

      for (Parameter parameter : spec.parameters()) {
        String name = "gradient of " + parameter.tensorName();
        // x, dY and dX, one after the other, in the memory of this gradient.
        Tensor large = output(DType.F32, N, IN + OUT);
        long[] gradientShape = spec.shape(parameter);
        AdapterGradients alias =
            with(gradients(spec), parameter, Tensor.of(large.segment(), DType.F32, gradientShape));
        refused(
            OverlapException.class,
            () -> call.of(large.columnSlice(0, IN), dY, dX, alias),
            name,
            "apart from x's");
        refused(
            OverlapException.class,
            () -> call.of(x, large.columnSlice(0, OUT), dX, alias),
            name,
            "apart from dY's");
        refused(
            OverlapException.class,
            () -> call.of(x, dY, large.columnSlice(0, IN), alias),
            "dX: ",
            "apart from " + name);
        AdapterGradients gone = with(gradients(spec), parameter, closed(gradientShape));
        refused(
            IllegalStateException.class,
            () -> call.of(x, dY, dX, gone),
            name + ": ",
            "live",
            "closed");
        AdapterGradients others = with(gradients(spec), parameter, foreign(gradientShape));
        refused(
            IllegalStateException.class,
            () -> call.of(x, dY, dX, others),
            name + ": ",
            "another thread's");
      }

      Class<IllegalStateException> state = IllegalStateException.class;
      refused(state, () -> call.of(closed(N, IN), dY, dX, gradients), "x: ", "closed");
      refused(state, () -> call.of(x, closed(N, OUT), dX, gradients), "dY: ", "closed");
      refused(state, () -> call.of(x, dY, closed(N, IN), gradients), "dX: ", "closed");
      refused(state, () -> call.of(foreign(N, IN), dY, dX, gradients), "x: ", "another thread's");
      refused(state, () -> call.of(x, foreign(N, OUT), dX, gradients), "dY: ", "another thread's");
      refused(state, () -> call.of(x, dY, foreign(N, IN), gradients), "dX: ", "another thread's");
      refused(NullPointerException.class, () -> call.of(nothing(), dY, dX, gradients), "x");
      refused(NullPointerException.class, () -> call.of(x, nothing(), dX, gradients), "dY");
      refused(
          NullPointerException.class,
          () -> adapter.backward(x, dY, dX, gradients, nothing(), workspace),
          "options");
      refused(
          NullPointerException.class,
          () -> adapter.backward(x, dY, dX, gradients, nothing()),
          "workspace");
      refused(
          IllegalArgumentException.class,
          () -> call.of(x, dY, dX, gradients(AdapterSpec.nora(IN, OUT, 3).build())),
          "gradients: ",
          "another");
      call.of(x, dY, null, gradients);
      call.of(x, dY, dX, null);
      call.of(x, dY, null, null);
      call.of(x, dY, dX, gradients);
    }
  }

  private interface Backward {
    void of(Tensor x, Tensor dY, @Nullable Tensor dX, @Nullable AdapterGradients gradients);
  }

  private static AdapterGradients with(
      AdapterGradients gradients, Parameter parameter, Tensor tensor) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    gradients.parameters().forEach(p -> tensors.put(p, gradients.get(p)));
    tensors.put(parameter, tensor);
    return new AdapterGradients(gradients.spec(), tensors);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void backwardNeedsItsForward(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    AdapterWeights weights = weights(spec);
    Tensor x = f32(N, IN);
    Tensor y = output(DType.F32, N, OUT);
    Tensor dY = f32(N, OUT);
    Tensor dX = output(DType.F32, N, IN);
    AdapterGradients gradients = gradients(spec);
    Class<IllegalStateException> state = IllegalStateException.class;
    try (Adapter adapter = backend.prepare(weights);
        Adapter other = backend.prepare(weights(spec))) {
      Workspace inference = adapter.workspace(N, Mode.INFERENCE, arena);
      adapter.forward(x, y, inference);
      refused(
          state,
          () -> adapter.backward(x, dY, dX, gradients, inference),
          "workspace",
          "TRAINING",
          "INFERENCE");
      Arena own = Arena.ofConfined();
      Workspace workspace = adapter.workspace(N, Mode.TRAINING, own);
      refused(
          state,
          () -> adapter.backward(x, dY, dX, gradients, workspace),
          "backward: ",
          "forward",
          "none");
      adapter.forward(x, y, workspace);
      refused(
          state,
          () ->
              adapter.backward(
                  x.rowSlice(0, N - 1),
                  dY.rowSlice(0, N - 1),
                  dX.rowSlice(0, N - 1),
                  gradients,
                  workspace),
          "x: ",
          "5 tokens",
          "came 4");
      refused(
          IllegalArgumentException.class,
          () -> other.backward(x, dY, dX, gradients(other.spec()), workspace),
          "workspace: ",
          "this adapter");
      // A refused forward leaves the last good one in place.
      refused(
          IllegalArgumentException.class,
          () -> adapter.forward(f32(N + 1, IN), output(DType.F32, N + 1, OUT), workspace),
          "x: ");
      adapter.backward(x, dY, dX, gradients, workspace);
      adapter.backward(x, dY, dX, gradients, workspace);

      weights.markChanged();
      refused(state, () -> adapter.forward(x, y, workspace), "weights: ", "repack");
      refused(
          state, () -> adapter.backward(x, dY, dX, gradients, workspace), "weights: ", "repack");
      adapter.repack();
      refused(
          state,
          () -> adapter.backward(x, dY, dX, gradients, workspace),
          "weights: ",
          "forward call",
          "later version");
      adapter.forward(x, y, workspace);
      adapter.backward(x, dY, dX, gradients, workspace);
      own.close();
      refused(
          state, () -> adapter.backward(x, dY, dX, gradients, workspace), "workspace: ", "closed");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void dropoutNeedsASeed(Backend backend) {
    for (AdapterSpec spec :
        List.of(
            everyParameter().inputDropout(0.5).build(),
            everyParameter().hiddenDropout(0.5, HiddenDropoutMode.UNIT).build())) {
      Tensor x = f32(N, IN);
      Tensor y = output(DType.F32, N, OUT);
      try (Adapter adapter = backend.prepare(weights(spec));
          Linear linear = backend.prepareLinear(f32(OUT, IN), null)) {
        Workspace training = adapter.workspace(N, Mode.TRAINING, arena);
        refused(
            IllegalArgumentException.class,
            () -> adapter.forward(x, y, training),
            "options: ",
            "seed",
            "none");
        refused(
            IllegalArgumentException.class,
            () -> linear.forward(x, y, adapter, training),
            "options: ",
            "seed",
            "none");
        adapter.forward(x, y, CallOptions.of(spec).withDropout(1, 2), training);
        adapter.forward(x, y, adapter.workspace(N, Mode.INFERENCE, arena));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void tensorsOfTheBaseLayer(Backend backend) {
    Class<ShapeMismatchException> shape = ShapeMismatchException.class;
    Class<IllegalStateException> state = IllegalStateException.class;
    Tensor w0 = f32(OUT, IN);
    refused(shape, () -> backend.prepareLinear(Tensor.of(new float[4], 4), null), "w0: ", "[4]");
    refused(shape, () -> backend.prepareLinear(f32(0, IN), null), "w0: ", "[0, 19]");
    refused(shape, () -> backend.prepareLinear(f32(OUT, 0), null), "w0: ", "[23, 0]");
    refused(
        shape,
        () -> backend.prepareLinear(w0, Tensor.of(new float[IN], IN)),
        "bias: ",
        "[23]",
        "[19]");
    refused(
        shape,
        () -> backend.prepareLinear(w0, Tensor.of(new float[OUT], 1, OUT)),
        "bias: ",
        "[23]",
        "[1, 23]");
    refused(state, () -> backend.prepareLinear(closed(OUT, IN), null), "w0: ", "closed");
    refused(state, () -> backend.prepareLinear(foreign(OUT, IN), null), "w0: ", "another thread's");
    refused(state, () -> backend.prepareLinear(w0, closed(OUT)), "bias: ", "closed");
    refused(state, () -> backend.prepareLinear(w0, foreign(OUT)), "bias: ", "another thread's");
    refused(NullPointerException.class, () -> backend.prepareLinear(nothing(), null), "w0");

    Linear linear = backend.prepareLinear(w0, null);
    Tensor dY = f32(N, OUT);
    Tensor dX = output(DType.F32, N, IN);
    for (Update update : Update.values()) {
      refused(shape, () -> linear.backward(f32(N, IN), dX, update), "dY: ", "[n, 23]", "[5, 19]");
      refused(
          shape, () -> linear.backward(f32(N + 1, OUT), dX, update), "dX: ", "[6, 19]", "[5, 19]");
      refused(
          DTypeMismatchException.class,
          () -> linear.backward(dY, output(DType.BF16, N, IN), update),
          "dX: expected F32",
          "came BF16");
      refused(
          DTypeMismatchException.class,
          () -> linear.backward(matrix(DType.F16, N, OUT), output(DType.BF16, N, IN), update),
          "dX: expected F16 or F32",
          "came BF16");
      refused(
          IllegalArgumentException.class,
          () -> linear.backward(dY, readOnly(dX), update),
          "dX: ",
          "read-only");
      Tensor both = output(DType.F32, N, IN + OUT);
      refused(
          OverlapException.class,
          () -> linear.backward(both.columnSlice(0, OUT), both.columnSlice(2, 2 + IN), update),
          "dX: ",
          "apart from dY's");
      linear.backward(both.columnSlice(0, OUT), both.columnSlice(OUT, OUT + IN), update);
      refused(state, () -> linear.backward(closed(N, OUT), dX, update), "dY: ", "closed");
      refused(state, () -> linear.backward(dY, closed(N, IN), update), "dX: ", "closed");
      refused(state, () -> linear.backward(foreign(N, OUT), dX, update), "dY: ", "another");
      refused(state, () -> linear.backward(dY, foreign(N, IN), update), "dX: ", "another");
      refused(NullPointerException.class, () -> linear.backward(nothing(), dX, update), "dY");
      refused(NullPointerException.class, () -> linear.backward(dY, nothing(), update), "dX");
      linear.backward(dY, dX, update);
      linear.backward(f32(0, OUT), f32(0, IN), update);
    }
    refused(NullPointerException.class, () -> linear.backward(dY, dX, nothing()), "update");

    AdapterSpec narrow = AdapterSpec.lora(IN - 1, OUT, 2).build();
    AdapterSpec low = AdapterSpec.lora(IN, OUT - 1, 2).build();
    for (AdapterSpec spec : List.of(narrow, low)) {
      try (Adapter adapter = backend.prepare(weights(spec))) {
        Workspace workspace = adapter.workspace(N, Mode.INFERENCE, arena);
        refused(
            shape,
            () -> linear.forward(f32(N, IN), output(DType.F32, N, OUT), adapter, workspace),
            spec == narrow ? "x: expected shape [n, 18]" : "y: expected shape [5, 22]");
      }
    }
    linear.close();
    linear.close();
    refused(
        state,
        () -> linear.forward(f32(N, IN), output(DType.F32, N, OUT)),
        "linear: ",
        "open",
        "closed");
    refused(state, () -> linear.backward(dY, dX, Update.OVERWRITE), "linear: ", "open", "closed");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void weightsThatCannotBeRead(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    Class<IllegalStateException> state = IllegalStateException.class;
    for (Parameter parameter : spec.parameters()) {
      String name = parameter.tensorName() + ": ";
      refused(
          state,
          () -> backend.prepare(with(weights(spec), parameter, closed(spec.shape(parameter)))),
          name,
          "closed");
      refused(
          state,
          () -> backend.prepare(with(weights(spec), parameter, foreign(spec.shape(parameter)))),
          name,
          "another thread's");
      // Packed, then gone: calls go on, packing again is refused and changes nothing.
      Arena own = Arena.ofConfined();
      AdapterWeights partly =
          with(weights(spec), parameter, Tensor.allocate(own, DType.F32, spec.shape(parameter)));
      try (Adapter adapter = backend.prepare(partly)) {
        own.close();
        Workspace workspace = adapter.workspace(N, Mode.INFERENCE, arena);
        adapter.forward(f32(N, IN), output(DType.F32, N, OUT), workspace);
        refused(state, adapter::repack, name, "live", "closed");
        adapter.forward(f32(N, IN), output(DType.F32, N, OUT), workspace);
      }
    }
    refused(NullPointerException.class, () -> backend.prepare(nothing()), "weights");
  }

  private static AdapterWeights with(AdapterWeights weights, Parameter parameter, Tensor tensor) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    weights.parameters().forEach(p -> tensors.put(p, weights.get(p)));
    tensors.put(parameter, tensor);
    return new AdapterWeights(weights.spec(), tensors);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aClosedAdapter(Backend backend) {
    AdapterSpec spec = everyParameter().build();
    Adapter adapter = backend.prepare(weights(spec));
    Workspace workspace = adapter.workspace(N, Mode.TRAINING, arena);
    Tensor x = f32(N, IN);
    Tensor y = output(DType.F32, N, OUT);
    adapter.forward(x, y, workspace);
    adapter.close();
    adapter.close();
    Class<IllegalStateException> state = IllegalStateException.class;
    String[] words = {"adapter: ", "open", "closed"};
    AdapterGradients gradients = gradients(spec);
    refused(state, () -> adapter.forward(x, y, workspace), words);
    refused(
        state,
        () -> adapter.backward(x, f32(N, OUT), output(DType.F32, N, IN), gradients, workspace),
        words);
    refused(state, adapter::repack, words);
    refused(state, () -> adapter.workspace(1, Mode.INFERENCE, arena), words);
    try (Linear linear = backend.prepareLinear(f32(OUT, IN), null)) {
      refused(state, () -> linear.forward(x, y, adapter, workspace), words);
    }
  }

  @Test
  void aWorkspaceInUseIsRefused() throws InterruptedException {
    AdapterSpec spec = AdapterSpec.lora(IN, OUT, 2).build();
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch finish = new CountDownLatch(1);
    Adapter adapter = new Adapter(weights(spec), new Waiting(inside, finish));
    Workspace workspace = adapter.workspace(N, Mode.TRAINING, arena);
    Tensor x = f32(N, IN);
    Tensor y = output(DType.F32, N, OUT);
    Thread first = Thread.ofPlatform().start(() -> adapter.forward(x, y, workspace));
    inside.await();
    String[] words = {"workspace: ", "free", "in use"};
    refused(IllegalStateException.class, () -> adapter.forward(x, y, workspace), words);
    refused(
        IllegalStateException.class,
        () -> adapter.backward(x, f32(N, OUT), output(DType.F32, N, IN), null, workspace),
        words);
    finish.countDown();
    first.join();
    adapter.forward(x, y, workspace);
    assertFalse(first.isAlive());
  }

  /** A kernel whose forward says that it has begun, and waits. */
  private record Waiting(CountDownLatch inside, CountDownLatch finish) implements AdapterKernel {
    @Override
    public Scratch allocate(int maxTokens, Mode mode, Arena owner) {
      return new Scratch() {};
    }

    @Override
    public void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch) {
      inside.countDown();
      try {
        finish.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public void backward(
        Tensor x,
        Tensor dY,
        @Nullable Tensor dX,
        @Nullable AdapterGradients gradients,
        CallOptions forward,
        GradientOptions options,
        Scratch scratch) {
      throw new AssertionError("no backward expected");
    }

    @Override
    public void repack(AdapterWeights weights) {
      throw new AssertionError("no repack expected");
    }

    @Override
    public void close() {}
  }

  @Test
  void misalignedAndShortSegmentsAreRefusedOrWorkByTheirSize() {
    MemorySegment bytes = arena.allocate(N * IN * 4 + 1).asSlice(1);
    assertEquals(N, Tensor.of(bytes, DType.F32, N, IN).rows());
    refused(
        IndexOutOfBoundsException.class,
        () -> Tensor.of(bytes, DType.F32, N, IN + 1),
        "at least 400 bytes",
        "came 380");
  }
}
