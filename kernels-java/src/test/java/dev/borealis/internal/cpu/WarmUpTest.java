package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.internal.HeapBytes;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** After a warm-up, the first calls already run compiled code: they allocate nothing. */
@Tag("allocation")
class WarmUpTest {
  private static final int FEATURES = 101;

  // A busy machine's compiler may need more than one's minute.
  private static final int MOST_TRIES = 10;

  @Test
  void firstCallsAllocateNothing() {
    AdapterSpec spec =
        AdapterSpec.nora(FEATURES, FEATURES, 3).inputDropout(0.1).upBias().gain().build();
    try (Arena arena = Arena.ofShared();
        Adapter adapter = adapter("panama", spec, arena)) {
      boolean warm = false;
      for (int tries = 0; tries < MOST_TRIES && !warm; tries++) {
        warm = adapter.warmUp(Mode.TRAINING, DType.F32, DType.F32);
      }
      assertTrue(warm);
      for (int tokens : new int[] {1, 7, 31, 48, 130}) {
        Tensor x = Tensor.allocate(arena, DType.F32, tokens, FEATURES);
        Tensor y = Tensor.allocate(arena, DType.F32, tokens, FEATURES);
        Tensor dX = Tensor.allocate(arena, DType.F32, tokens, FEATURES);
        AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
        Workspace workspace = adapter.workspace(tokens, Mode.TRAINING, arena);
        CallOptions options = CallOptions.of(spec).withDropout(1, 2);
        long before = HeapBytes.ofThisThread();
        adapter.forward(x, y, options, workspace);
        adapter.backward(x, y, dX, gradients, workspace);
        assertEquals(0, HeapBytes.ofThisThread() - before, tokens + " tokens");
      }
    }
  }

  @Test
  void everyBackendTakesIt() {
    try (Arena arena = Arena.ofShared();
        Adapter adapter = adapter("scalar", AdapterSpec.lora(5, 6, 2).build(), arena)) {
      assertTrue(adapter.warmUp(Mode.INFERENCE, DType.BF16, DType.F32));
    }
  }

  @Test
  void refusesWhatCallsRefuse() {
    try (Arena arena = Arena.ofShared()) {
      Adapter adapter = adapter("panama", AdapterSpec.lora(5, 6, 2).build(), arena);
      assertThrows(
          DTypeMismatchException.class,
          () -> adapter.warmUp(Mode.INFERENCE, DType.F32, DType.BF16));
      adapter.close();
      assertThrows(
          IllegalStateException.class, () -> adapter.warmUp(Mode.INFERENCE, DType.F32, DType.F32));
    }
  }

  private static Adapter adapter(String backend, AdapterSpec spec, Arena arena) {
    AdapterWeights weights = Methods.weights(spec, 1, arena);
    return Backend.require(backend).prepare(weights);
  }
}
