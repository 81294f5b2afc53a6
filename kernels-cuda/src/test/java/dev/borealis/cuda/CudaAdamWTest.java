package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.borealis.optim.AdamW;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Steps on the device have the bits of the host's. */
class CudaAdamWTest extends OnDevice {
  private static final int ROWS = 23;
  private static final int COLUMNS = 31;
  private static final int STEPS = 3;

  private static Tensor random(SplittableRandom random, Arena arena) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, ROWS, COLUMNS);
    for (int row = 0; row < ROWS; row++) {
      for (int column = 0; column < COLUMNS; column++) {
        tensor.set(row, column, (float) random.nextDouble(-1, 1));
      }
    }
    return tensor;
  }

  @Test
  void stepsHaveTheBitsOfTheHost() {
    SplittableRandom random = new SplittableRandom(3);
    Tensor weights = random(random, arena);
    Tensor gradient = random(random, arena);
    // Rows with gaps, on the device.
    Tensor w = cuda.allocate(arena, DType.F32, ROWS, COLUMNS + 5).columnSlice(2, COLUMNS + 2);
    Tensor g = cuda.allocate(arena, DType.F32, ROWS, COLUMNS + 1).columnSlice(0, COLUMNS);
    stream.copy(weights, w);
    stream.copy(gradient, g);
    AdamW host = AdamW.builder().add("w", weights, gradient, true).build(arena);
    AdamW device = AdamW.builder().add("w", w, g, true).build(cuda, stream, arena);
    for (int step = 1; step <= STEPS; step++) {
      host.step(0.01);
      device.step(0.01);
    }
    assertArrayEquals(CudaShapesTest.values(weights), toHost(w), 0);
    Map<String, Tensor> saved = new LinkedHashMap<>(host.state());
    device
        .state()
        .forEach((name, tensor) ->
            assertArrayEquals(
                CudaShapesTest.values(Objects.requireNonNull(saved.get(name))),
                toHost(tensor),
                0,
                name));
    // Goes on from a state that was saved on the host.
    AdamW resumed = AdamW.builder().add("w", w, g, true).build(cuda, stream, arena);
    resumed.restore(saved, STEPS);
    host.step(0.02);
    resumed.step(0.02);
    assertArrayEquals(CudaShapesTest.values(weights), toHost(w), 0);
  }

  @Test
  void tensorsElsewhereAreRefused() {
    Tensor host = Tensor.allocate(arena, DType.F32, 4);
    Tensor w = cuda.allocate(arena, DType.F32, 4);
    AdamW.Builder mixed = AdamW.builder().add("w", w, host, true);
    assertEquals(
        "gradient of w: expected a tensor on cuda:0, came Tensor[4] F32 on the host",
        assertThrows(IllegalArgumentException.class, () -> mixed.build(cuda, stream, arena))
            .getMessage());
    assertEquals(
        "w: expected a tensor on host, came Tensor[4] F32 on cuda:0",
        assertThrows(IllegalArgumentException.class, () -> mixed.build(arena)).getMessage());
  }
}
