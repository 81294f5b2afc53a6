package dev.borealis.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

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
import dev.borealis.testing.Nothing;
import dev.borealis.testing.Threads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random calls in random memory, most with faults. A call without fault succeeds and writes nothing
 * but its outputs' elements; a call with faults throws a documented exception from the checks, not
 * from a kernel, and changes nothing at all.
 */
class FuzzTest {
  private static final int CALLS = 4000;
  private static final int ADAPTERS = 16;
  private static final int MAX_TOKENS = 60;

  /** What can be wrong with a call. */
  private enum Fault {
    COLUMNS,
    ROWS,
    DIMENSIONS,
    DTYPE,
    READ_ONLY,
    OVERLAP,
    CLOSED_TENSOR,
    FOREIGN_TENSOR,
    NULL_TENSOR,
    SHORT_SEGMENT,
    STRIDE,
    NEGATIVE,
    SCALE,
    NULL_OPTIONS,
    NULL_WORKSPACE,
    OTHERS_WORKSPACE,
    CLOSED_WORKSPACE,
    FOREIGN_WORKSPACE,
    INFERENCE_WORKSPACE,
    FRESH_WORKSPACE,
    TOO_MANY_TOKENS,
    OTHER_TOKENS,
    STALE_WEIGHTS,
    CLOSED_HANDLE,
    OTHERS_GRADIENTS,
    CLOSED_GRADIENT,
    FOREIGN_GRADIENT,
    OVERLAPPING_GRADIENT
  }

  private enum Operation {
    FORWARD,
    BACKWARD,
    BASE_FORWARD,
    BASE_BACKWARD,
    BOTH_FORWARD
  }

  private static final Set<Fault> OF_TENSORS = EnumSet.range(Fault.COLUMNS, Fault.NEGATIVE);

  private static Set<Fault> possible(Operation operation) {
    Set<Fault> faults = EnumSet.copyOf(OF_TENSORS);
    faults.add(Fault.CLOSED_HANDLE);
    if (operation == Operation.BASE_FORWARD) {
      return faults;
    }
    if (operation == Operation.BASE_BACKWARD) {
      faults.add(Fault.NULL_OPTIONS);
      return faults;
    }
    faults.addAll(EnumSet.range(Fault.NULL_OPTIONS, Fault.FOREIGN_WORKSPACE));
    faults.add(Fault.TOO_MANY_TOKENS);
    faults.add(Fault.STALE_WEIGHTS);
    if (operation == Operation.BACKWARD) {
      faults.addAll(
          EnumSet.of(Fault.INFERENCE_WORKSPACE, Fault.FRESH_WORKSPACE, Fault.OTHER_TOKENS));
      faults.addAll(EnumSet.range(Fault.OTHERS_GRADIENTS, Fault.OVERLAPPING_GRADIENT));
    } else {
      faults.add(Fault.SCALE);
    }
    return faults;
  }

  /** A prepared adapter with its base layer and workspaces. */
  private static final class Subject {
    final AdapterSpec spec;
    final AdapterWeights weights;
    final Adapter adapter;
    final Adapter closedAdapter;
    final Linear linear;
    final Linear closedLinear;
    final Map<Mode, Workspace> workspaces = new EnumMap<>(Mode.class);
    final Workspace closedWorkspace;
    final Workspace foreignWorkspace;
    final Workspace fresh;
    int forwardTokens = -1;

    Subject(Backend backend, SplittableRandom random, int number, Arena arena) {
      AdapterSpec drawn;
      do {
        drawn = RandomAdapters.spec(random, number);
      } while (drawn.inFeatures() > 80 || drawn.outFeatures() > 80 || drawn.rank() > 24);
      spec = drawn;
      weights = RandomAdapters.weights(random, spec, arena);
      adapter = backend.prepare(weights);
      closedAdapter = backend.prepare(weights);
      Tensor w0 = Tensor.allocate(arena, DType.F32, spec.outFeatures(), spec.inFeatures());
      linear = backend.prepareLinear(w0, null);
      closedLinear = backend.prepareLinear(w0, null);
      for (Mode mode : Mode.values()) {
        workspaces.put(mode, adapter.workspace(MAX_TOKENS, mode, arena));
      }
      fresh = adapter.workspace(MAX_TOKENS, Mode.TRAINING, arena);
      Arena shortLived = Arena.ofShared();
      closedWorkspace = adapter.workspace(MAX_TOKENS, Mode.TRAINING, shortLived);
      shortLived.close();
      foreignWorkspace =
          Threads.elsewhere(() -> adapter.workspace(MAX_TOKENS, Mode.TRAINING, Arena.ofConfined()));
      closedAdapter.close();
      closedLinear.close();
    }

    Workspace workspace(Mode mode) {
      Workspace workspace = workspaces.get(mode);
      if (workspace == null) {
        throw new AssertionError("every mode has one");
      }
      return workspace;
    }

    void close() {
      adapter.close();
      linear.close();
    }
  }

  /** One call: its arguments, and what surrounds them. */
  private static final class Call {
    final SplittableRandom random;
    final Subject subject;
    final Subject other;
    final Arena arena;
    final MemorySegment foreign;
    final Operation operation;
    final Set<Fault> faults;
    final List<GuardedTensor> guarded = new ArrayList<>();

    Call(
        SplittableRandom random,
        Subject subject,
        Subject other,
        Arena arena,
        MemorySegment foreign,
        Operation operation,
        Set<Fault> faults) {
      this.random = random;
      this.subject = subject;
      this.other = other;
      this.arena = arena;
      this.foreign = foreign;
      this.operation = operation;
      this.faults = faults;
    }

    boolean has(Fault fault) {
      return faults.contains(fault);
    }

    private DType dtype() {
      return RandomAdapters.choose(random, DType.values());
    }

    private GuardedTensor.Place place() {
      return RandomAdapters.choose(random, GuardedTensor.Place.values());
    }

    private Tensor good(DType dtype, long... shape) {
      long gap = shape.length == 2 && random.nextBoolean() ? random.nextInt(1, 20) : 0;
      GuardedTensor tensor = GuardedTensor.of(place(), arena, dtype, gap, shape);
      guarded.add(tensor.randomise(random, 2));
      return tensor.tensor();
    }

    /** A matrix with the faults that fall on it. */
    private Tensor matrix(
        boolean faulty, boolean output, boolean first, DType dtype, long rows, long columns) {
      if (!faulty) {
        return good(dtype, rows, columns);
      }
      if (has(Fault.NULL_TENSOR) && !(output && operation == Operation.BACKWARD)) {
        return Nothing.nothing();
      }
      long n = rows;
      long d = columns;
      if (has(Fault.COLUMNS)) {
        d += random.nextBoolean() ? 1 : -1;
      }
      if (has(Fault.ROWS) && !first) {
        n += n == 0 || random.nextBoolean() ? 1 : -1;
      }
      MemorySegment memory = MemorySegment.ofArray(new byte[(int) (n * d + 1) * 4]);
      if (has(Fault.SHORT_SEGMENT)) {
        return Tensor.of(memory, DType.F32, n + 1, d + 1);
      }
      if (has(Fault.STRIDE)) {
        return Tensor.strided(memory, DType.F32, n, d, d - 1 - random.nextInt(4));
      }
      if (has(Fault.NEGATIVE)) {
        return Tensor.of(memory, DType.F32, random.nextBoolean() ? -n - 1 : n, -d - 1);
      }
      if (has(Fault.DIMENSIONS)) {
        return random.nextBoolean() ? good(dtype, n * d) : good(dtype, 1, n, d);
      }
      if (has(Fault.CLOSED_TENSOR)) {
        try (Arena shortLived = Arena.ofConfined()) {
          return Tensor.allocate(shortLived, dtype, n, d);
        }
      }
      if (has(Fault.FOREIGN_TENSOR)) {
        return Tensor.of(foreign, dtype, n, d);
      }
      Tensor tensor = good(dtype, n, d);
      if (output && has(Fault.READ_ONLY)) {
        return Tensor.strided(tensor.segment().asReadOnly(), dtype, n, d, tensor.rowStride());
      }
      return tensor;
    }

    /** Runs the call. */
    void run() {
      AdapterSpec spec = subject.spec;
      boolean back = operation == Operation.BACKWARD || operation == Operation.BASE_BACKWARD;
      long n = random.nextInt(4) == 0 ? random.nextInt(3) : random.nextInt(1, MAX_TOKENS + 1);
      if (operation == Operation.BACKWARD && !has(Fault.FRESH_WORKSPACE)) {
        n = subject.forwardTokens;
      }
      if (has(Fault.OTHER_TOKENS)) {
        n = n == 1 ? 2 : 1;
      }
      if (has(Fault.TOO_MANY_TOKENS)) {
        n = MAX_TOKENS + random.nextLong(1, 100);
      }
      if (has(Fault.OVERLAP) || has(Fault.OVERLAPPING_GRADIENT)) {
        n = Math.max(n, 1);
      }
      boolean tensorFault = faults.stream().anyMatch(OF_TENSORS::contains);
      // READ_ONLY, DTYPE and ROWS are faults of an output only.
      boolean onOutput =
          has(Fault.READ_ONLY) || has(Fault.ROWS) || has(Fault.DTYPE) || has(Fault.OVERLAP);
      // A null dX is legal.
      boolean onInput = operation == Operation.BACKWARD && has(Fault.NULL_TENSOR);
      boolean faultyInput = tensorFault && !onOutput && (onInput || random.nextBoolean());
      boolean faultyOutput = tensorFault && !faultyInput;

      DType in = has(Fault.DTYPE) ? DType.BF16 : dtype();
      DType out = has(Fault.DTYPE) ? DType.F16 : random.nextBoolean() ? in : DType.F32;
      long from = back ? spec.outFeatures() : spec.inFeatures();
      long to = back ? spec.inFeatures() : spec.outFeatures();
      Tensor input = matrix(faultyInput, false, true, in, n, from);
      Tensor output = matrix(faultyOutput, true, false, out, n, to);
      if (has(Fault.OVERLAP)) {
        Tensor both = good(in, n, from + to);
        input = both.columnSlice(0, from);
        output = both.columnSlice(from - 1, from + to - 1);
      } else if (!tensorFault && random.nextInt(4) == 0) {
        // Interleaved but apart.
        Tensor both = good(in, n, from + to + 1);
        input = both.columnSlice(to + 1, from + to + 1);
        output = both.columnSlice(0, to);
      }
      call(n, input, output);
    }

    private Workspace workspace(Mode mode) {
      if (has(Fault.NULL_WORKSPACE)) {
        return Nothing.nothing();
      }
      if (has(Fault.OTHERS_WORKSPACE)) {
        return other.workspace(mode);
      }
      if (has(Fault.CLOSED_WORKSPACE)) {
        return subject.closedWorkspace;
      }
      if (has(Fault.FOREIGN_WORKSPACE)) {
        return subject.foreignWorkspace;
      }
      if (has(Fault.INFERENCE_WORKSPACE)) {
        return subject.workspace(Mode.INFERENCE);
      }
      return has(Fault.FRESH_WORKSPACE) ? subject.fresh : subject.workspace(mode);
    }

    private void call(long n, Tensor input, Tensor output) {
      boolean shut = has(Fault.CLOSED_HANDLE);
      Adapter adapter = shut ? subject.closedAdapter : subject.adapter;
      Linear linear = shut ? subject.closedLinear : subject.linear;
      Update update = RandomAdapters.choose(random, Update.values());
      Update maybe = has(Fault.NULL_OPTIONS) ? Nothing.<Update>nothing() : update;
      switch (operation) {
        case BASE_FORWARD -> linear.forward(input, output);
        case BASE_BACKWARD -> linear.backward(input, output, maybe);
        case FORWARD, BOTH_FORWARD -> {
          Mode mode = RandomAdapters.choose(random, Mode.values());
          Workspace workspace = workspace(mode);
          CallOptions options =
              has(Fault.NULL_OPTIONS)
                  ? Nothing.<CallOptions>nothing()
                  : new CallOptions(
                      has(Fault.SCALE) ? Float.NaN : 0.7f,
                      operation == Operation.FORWARD ? update : Update.ACCUMULATE,
                      random.nextLong(),
                      random.nextInt());
          if (operation == Operation.FORWARD) {
            adapter.forward(input, output, options, workspace);
          } else {
            subject.linear.forward(input, output, adapter, options, workspace);
          }
          if (mode == Mode.TRAINING) {
            subject.forwardTokens = (int) n;
          }
        }
        case BACKWARD -> {
          Tensor x = good(dtype(), n, subject.spec.inFeatures());
          GradientOptions options =
              has(Fault.NULL_OPTIONS)
                  ? Nothing.<GradientOptions>nothing()
                  : new GradientOptions(update, RandomAdapters.choose(random, Update.values()));
          boolean needed = faults.stream().anyMatch(f -> f.name().endsWith("GRADIENT"));
          AdapterGradients gradients =
              needed || has(Fault.OTHERS_GRADIENTS) || random.nextInt(5) > 0 ? gradients() : null;
          Tensor dX = random.nextInt(5) > 0 || !faults.isEmpty() ? output : null;
          adapter.backward(x, input, dX, gradients, options, workspace(Mode.TRAINING));
        }
      }
    }

    private AdapterGradients gradients() {
      AdapterSpec spec = has(Fault.OTHERS_GRADIENTS) ? other.spec : subject.spec;
      Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
      for (Parameter parameter : spec.parameters()) {
        tensors.put(parameter, good(DType.F32, spec.shape(parameter)));
      }
      List<Parameter> all = List.copyOf(spec.parameters());
      Parameter bad = all.get(random.nextInt(all.size()));
      long[] shape = spec.shape(bad);
      if (has(Fault.CLOSED_GRADIENT)) {
        try (Arena shortLived = Arena.ofConfined()) {
          tensors.put(bad, Tensor.allocate(shortLived, DType.F32, shape));
        }
      } else if (has(Fault.FOREIGN_GRADIENT)) {
        tensors.put(bad, Tensor.of(foreign, DType.F32, shape));
      } else if (has(Fault.OVERLAPPING_GRADIENT)) {
        // Two gradients in one memory; BadCallTest has gradients in the memory of x, dY and dX.
        Parameter second = bad == Parameter.A ? Parameter.B : Parameter.A;
        MemorySegment memory = arena.allocate(1 << 16);
        tensors.put(bad, Tensor.of(memory, DType.F32, shape));
        tensors.put(second, Tensor.of(memory, DType.F32, spec.shape(second)));
      }
      return new AdapterGradients(spec, tensors);
    }
  }

  static Stream<Backend> backends() {
    return Backends.all();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyCallSucceedsOrChangesNothing(Backend backend) {
    SplittableRandom random = new SplittableRandom(2026);
    MemorySegment foreign = Threads.elsewhere(() -> Arena.ofConfined().allocate(1 << 18));
    Map<String, Integer> outcomes = new TreeMap<>();
    try (Arena arena = Arena.ofShared()) {
      List<Subject> subjects = new ArrayList<>();
      for (int number = 0; number < ADAPTERS; number++) {
        subjects.add(new Subject(backend, random, number, arena));
      }
      for (int number = 0; number < CALLS; number++) {
        try (Arena own = random.nextBoolean() ? Arena.ofShared() : Arena.ofConfined()) {
          Subject subject = subjects.get(random.nextInt(ADAPTERS));
          Subject other = subjects.get((subjects.indexOf(subject) + 1) % ADAPTERS);
          Operation operation = RandomAdapters.choose(random, Operation.values());
          if (operation == Operation.BACKWARD && subject.forwardTokens < 0) {
            operation = Operation.FORWARD;
          }
          List<Fault> possible = new ArrayList<>(possible(operation));
          Set<Fault> faults = EnumSet.noneOf(Fault.class);
          for (int count = random.nextInt(4); count > 0; count--) {
            faults.add(possible.get(random.nextInt(possible.size())));
          }
          Call call = new Call(random, subject, other, own, foreign, operation, faults);
          String name = "call " + number + ": " + operation + " of " + subject.spec + ", " + faults;
          outcomes.merge(outcome(call, name), 1, Integer::sum);
        }
      }
      subjects.forEach(Subject::close);
    }
    System.out.println("FuzzTest on " + backend.name() + ", " + CALLS + " calls: " + outcomes);
    assertTrue(outcomes.getOrDefault("success", 0) > CALLS / 8, outcomes::toString);
    assertEquals(CALLS, outcomes.values().stream().mapToInt(Integer::intValue).sum());
  }

  private static String outcome(Call call, String name) {
    boolean stale = call.has(Fault.STALE_WEIGHTS);
    if (stale) {
      call.subject.weights.markChanged();
    }
    try {
      call.run();
    } catch (IllegalArgumentException
        | IllegalStateException
        | IndexOutOfBoundsException
        | NullPointerException e) {
      if (call.faults.isEmpty()) {
        fail(name, e);
      }
      requireFromTheChecks(e, name);
      for (GuardedTensor tensor : call.guarded) {
        assertTrue(tensor.isUnchanged(), () -> name + " failed, but changed " + tensor);
      }
      return e.getClass().getSimpleName();
    } finally {
      if (stale) {
        call.subject.adapter.repack();
        call.subject.forwardTokens = -1;
      }
    }
    assertTrue(call.faults.isEmpty(), () -> name + " succeeded");
    for (GuardedTensor tensor : call.guarded) {
      assertTrue(tensor.isUnchangedAround(), () -> name + " wrote around " + tensor);
    }
    return "success";
  }

  /** A message that says something, and no frame of a kernel. */
  private static void requireFromTheChecks(RuntimeException e, String name) {
    String message = String.valueOf(e.getMessage());
    boolean clear =
        e instanceof NullPointerException
            ? message.matches("[a-zA-Z0-9]+")
            : message.contains("expected") || message.contains("too many elements");
    if (!clear) {
      fail(name + ": unclear message \"" + message + "\"", e);
    }
    for (StackTraceElement frame : e.getStackTrace()) {
      String type = frame.getClassName();
      if (type.startsWith("dev.borealis.internal.") && !type.endsWith(".Checks")) {
        fail(name + ": came from " + frame, e);
      }
    }
  }
}
