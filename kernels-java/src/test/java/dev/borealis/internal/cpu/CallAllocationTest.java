package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.internal.HeapBytes;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.GuardedTensor;
import dev.borealis.testing.GuardedTensor.Place;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Calls allocate nothing once they are compiled: neither the checks nor the kernels, whatever the
 * method, memory, type and number of threads.
 */
@Tag("allocation")
class CallAllocationTest {
  private static final int IN = 37;
  private static final int OUT = 41;
  private static final int RANK = 3;
  private static final int MANY = 200;

  // Calls of a batch; the batches until one is free of allocations. What isn't compiled yet
  // allocates, so that the number of batches is how long the compiler may take.
  private static final int FEW_TOKENS_CALLS = 100;
  private static final int MANY_TOKENS_CALLS = 25;
  private static final int MAX_BATCHES = 4000;

  private final SplittableRandom random = new SplittableRandom(4);

  private static long bytesOfBestBatch(Runnable call, int calls, LongSupplier counter) {
    long least = Long.MAX_VALUE;
    for (int batch = 0; batch < MAX_BATCHES && least > 0; batch++) {
      long before = counter.getAsLong();
      for (int i = 0; i < calls; i++) {
        call.run();
      }
      least = Math.min(least, counter.getAsLong() - before);
    }
    return least;
  }

  /** Measures all, so that a failure tells of every call that allocates. */
  private static void assertNoneAllocates(
      List<Named> calls, int callsOfABatch, LongSupplier counter) {
    List<String> guilty = new ArrayList<>();
    for (Named named : calls) {
      long bytes = bytesOfBestBatch(named.call, callsOfABatch, counter);
      if (bytes > 0) {
        guilty.add(named.name + ": " + bytes / (double) callsOfABatch + " bytes a call");
      }
    }
    assertEquals(List.of(), guilty);
    assertTrue(!calls.isEmpty());
  }

  private record Named(String name, Runnable call) {}

  private Tensor tensor(Place place, Arena arena, DType dtype, long gap, long n, long d) {
    return GuardedTensor.of(place, arena, dtype, gap, n, d).randomise(random, 1).tensor();
  }

  private static Adapter adapter(PanamaEngine engine, AdapterSpec spec, Arena arena) {
    AdapterWeights weights = Methods.weights(spec, 1, arena);
    return new Adapter(weights, engine.prepare(weights));
  }

  /** Forward calls of both modes and a backward call. */
  private void addCalls(
      List<Named> calls, Adapter adapter, Arena arena, int n, Place place, DType dtype, long gap) {
    AdapterSpec spec = adapter.spec();
    CallOptions options = CallOptions.of(spec).withScale(1e-3f).withDropout(3, 4);
    Workspace inference = adapter.workspace(n, Mode.INFERENCE, arena);
    Workspace training = adapter.workspace(n, Mode.TRAINING, arena);
    Tensor x = tensor(place, arena, dtype, gap, n, IN);
    Tensor y = tensor(place, arena, dtype, gap, n, OUT);
    Tensor dY = tensor(place, arena, dtype, gap, n, OUT);
    Tensor dX = tensor(place, arena, dtype, gap, n, IN);
    AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
    String name = spec + ", " + n + " tokens, " + place + ", " + dtype + ", gap " + gap;
    calls.add(new Named(name + ", inference", () -> adapter.forward(x, y, options, inference)));
    calls.add(
        new Named(
            name + ", training",
            () -> {
              adapter.forward(x, y, options, training);
              adapter.backward(x, dY, dX, gradients, training);
            }));
  }

  @Test
  void everyMethodWithAndWithoutDropout() {
    PanamaEngine engine = new PanamaEngine(1);
    try (Arena arena = Arena.ofConfined()) {
      List<Named> calls = new ArrayList<>();
      List<AdapterSpec> specs = new ArrayList<>(Methods.all(IN, OUT, RANK, true));
      // Without dropout, tensors are read and written where they lie: the same for all methods.
      specs.addAll(Methods.all(IN, OUT, RANK, false).subList(0, 4));
      for (AdapterSpec spec : specs) {
        addCalls(calls, adapter(engine, spec, arena), arena, 1, Place.NATIVE, DType.F32, 0);
      }
      assertNoneAllocates(calls, FEW_TOKENS_CALLS, HeapBytes::ofThisThread);
    }
  }

  @Test
  void everyMemoryAndType() {
    PanamaEngine engine = new PanamaEngine(1);
    try (Arena arena = Arena.ofConfined()) {
      Adapter adapter =
          adapter(engine, AdapterSpec.aurora(IN, OUT, RANK).inputDropout(0.1).build(), arena);
      List<Named> calls = new ArrayList<>();
      for (Place place : Place.values()) {
        for (DType dtype : DType.values()) {
          addCalls(calls, adapter, arena, 2, place, dtype, dtype == DType.F32 ? 3 : 0);
        }
      }
      // Interleaved slices of one matrix: the checks find them apart.
      Tensor both = tensor(Place.NATIVE, arena, DType.F32, 0, 2, IN + OUT);
      Tensor heap = tensor(Place.ARRAY, arena, DType.F32, 0, 2, IN + OUT);
      Workspace workspace = adapter.workspace(2, Mode.INFERENCE, arena);
      for (Tensor matrix : List.of(both, heap)) {
        Tensor x = matrix.columnSlice(0, IN);
        Tensor y = matrix.columnSlice(IN, IN + OUT);
        calls.add(new Named("slices of one " + matrix, () -> adapter.forward(x, y, workspace)));
      }
      assertNoneAllocates(calls, FEW_TOKENS_CALLS, HeapBytes::ofThisThread);
    }
  }

  @Test
  void manyTokensOnSeveralThreads() {
    PanamaEngine engine = new PanamaEngine(2);
    try (Arena arena = Arena.ofShared()) {
      List<Named> calls = new ArrayList<>();
      for (AdapterSpec spec :
          List.of(
              AdapterSpec.lora(IN, OUT, RANK).build(),
              AdapterSpec.aurora(IN, OUT, RANK).inputDropout(0.1).upBias().build())) {
        addCalls(calls, adapter(engine, spec, arena), arena, MANY, Place.NATIVE, DType.F32, 0);
      }
      addLinear(calls, engine, arena, MANY, Place.NATIVE, DType.F32);
      // Workers too: counted over all threads, of which no other does anything.
      assertNoneAllocates(calls, MANY_TOKENS_CALLS, HeapBytes::ofAllThreads);
    }
  }

  @Test
  void baseLayersAndWhatRunsThroughThem() {
    PanamaEngine engine = new PanamaEngine(1);
    try (Arena arena = Arena.ofConfined()) {
      List<Named> calls = new ArrayList<>();
      addLinear(calls, engine, arena, 1, Place.NATIVE, DType.F32);
      addLinear(calls, engine, arena, 1, Place.BYTES, DType.BF16);
      addLinear(calls, engine, arena, 1, Place.ARRAY, DType.F32);
      addLinear(calls, engine, arena, 1, Place.MISALIGNED, DType.F16);
      assertNoneAllocates(calls, FEW_TOKENS_CALLS, HeapBytes::ofThisThread);
    }
  }

  private void addLinear(
      List<Named> calls, PanamaEngine engine, Arena arena, int n, Place place, DType dtype) {
    Tensor w0 = tensor(Place.NATIVE, arena, DType.F32, 0, OUT, IN);
    Tensor bias = Tensor.allocate(arena, DType.F32, OUT);
    Linear linear = new Linear(IN, OUT, engine.prepareLinear(w0, bias));
    Adapter adapter = adapter(engine, AdapterSpec.nora(IN, OUT, RANK).build(), arena);
    Workspace workspace = adapter.workspace(n, Mode.INFERENCE, arena);
    Tensor x = tensor(place, arena, dtype, 0, n, IN);
    Tensor y = tensor(place, arena, dtype, 0, n, OUT);
    Tensor dX = tensor(place, arena, dtype, 0, n, IN);
    String name = "linear, " + n + " tokens, " + place + ", " + dtype;
    calls.add(new Named(name + ", forward", () -> linear.forward(x, y)));
    calls.add(
        new Named(name + ", with an adapter", () -> linear.forward(x, y, adapter, workspace)));
    for (Update update : Update.values()) {
      calls.add(new Named(name + ", backward, " + update, () -> linear.backward(y, dX, update)));
    }
  }
}
