package dev.borealis.serving;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Wrong batches are refused by name, with Y and the last good assignment as they were. */
class BadBatchTest {
  private static final int IN = 6;
  private static final int OUT = 5;

  private final Backend backend = Backend.require("scalar");
  private final Arena arena = Arena.ofShared();
  private final AdapterWeights weights =
      Methods.weights(AdapterSpec.lora(IN, OUT, 2).build(), 1, arena);
  private final List<Adapter> adapters = new ArrayList<>();
  private final AdapterBatch batch = new AdapterBatch(backend, 4, 3);
  private final Tensor x = Tensor.allocate(arena, DType.F32, 3, IN);
  private final Tensor y = Tensor.allocate(arena, DType.F32, 3, OUT);

  @BeforeEach
  void prepare() {
    adapters.add(backend.prepare(weights));
    adapters.add(backend.prepare(weights));
    x.segment().fill((byte) 1);
    batch.assignRows(2, new int[] {0, 1, -1}, 3);
  }

  @AfterEach
  void free() {
    adapters.forEach(Adapter::close);
    arena.close();
  }

  private void assertRefused(Class<? extends Exception> type, String message, Executable call) {
    Exception thrown = assertThrows(type, call);
    String came = String.valueOf(thrown.getMessage());
    assertTrue(came.contains(message), came);
    for (int row = 0; row < 3; row++) {
      for (int column = 0; column < OUT; column++) {
        assertEquals(0, y.get(row, column));
      }
    }
    assertEquals(3, batch.rows());
    // The assignment is still there, and nothing is in use.
    Tensor other = Tensor.allocate(arena, DType.F32, 3, OUT);
    List<Adapter> good = List.of(backend.prepare(weights), backend.prepare(weights));
    batch.forward(x, other, good);
    good.forEach(Adapter::close);
    assertTrue(other.get(0, 0) != 0 && other.get(1, 0) != 0 && other.get(2, 0) == 0);
  }

  @Test
  void unknownAdapters() {
    for (int unknown : new int[] {2, 3, -2, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      int[] numbers = {1, unknown, 0};
      String message = "expected the number of one of 2 adapters, or -1 for none, came " + unknown;
      assertRefused(
          IndexOutOfBoundsException.class,
          "row 1: " + message,
          () -> batch.assignRows(2, numbers, 3));
      assertRefused(
          IndexOutOfBoundsException.class,
          "row 1: " + message,
          () -> batch.assignRows(2, MemorySegment.ofArray(numbers)));
      assertRefused(
          IndexOutOfBoundsException.class,
          "segment 1: " + message,
          () -> batch.assignSegments(2, new int[] {0, 1, 1, 4}, numbers, 3));
    }
  }

  @Test
  void segmentsThatDoNotFollowEachOther() {
    int[] numbers = {0, 1, 0};
    assertRefused(
        IllegalArgumentException.class,
        "segment 1: expected an end not before its start 3, came 2",
        () -> batch.assignSegments(2, new int[] {0, 3, 2, 4}, numbers, 3));
    assertRefused(
        IllegalArgumentException.class,
        "segment 0: expected an end not before its start 0, came -1",
        () -> batch.assignSegments(2, new int[] {0, -1, 2, 4}, numbers, 3));
    assertRefused(
        IllegalArgumentException.class,
        "segment 0: expected it to start at row 0, came 1",
        () -> batch.assignSegments(2, new int[] {1, 2, 3, 4}, numbers, 3));
    assertRefused(
        IllegalArgumentException.class,
        "segment 2: expected an end within the 4 rows allocated for, came 5",
        () -> batch.assignSegments(2, new int[] {0, 1, 2, 5}, numbers, 3));
  }

  @Test
  void lengths() {
    int[] numbers = {0, 1, 0, 0, 0};
    assertRefused(
        IllegalArgumentException.class,
        "rows: expected 0 to the 4 allocated for, came 5",
        () -> batch.assignRows(2, numbers, 5));
    assertRefused(
        IllegalArgumentException.class, "came -1", () -> batch.assignRows(2, numbers, -1));
    assertRefused(
        IllegalArgumentException.class,
        "adapterOfRow: expected at least 2 numbers, came 1",
        () -> batch.assignRows(2, new int[1], 2));
    assertRefused(
        IllegalArgumentException.class,
        "adapters: expected 0 to the 3 allocated for, came 4",
        () -> batch.assignRows(4, numbers, 2));
    assertRefused(
        IllegalArgumentException.class, "came -3", () -> batch.assignRows(-3, numbers, 2));
    assertRefused(
        IllegalArgumentException.class,
        "adapterOfRow: expected a multiple of 4 bytes, came 7",
        () -> batch.assignRows(2, MemorySegment.ofArray(new byte[7])));
    assertRefused(
        IllegalArgumentException.class,
        "rows: expected 0 to the 4 allocated for, came 5",
        () -> batch.assignRows(2, MemorySegment.ofArray(numbers)));
    assertRefused(
        IllegalArgumentException.class,
        "segments: expected at least 0, came -1",
        () -> batch.assignSegments(2, new int[1], numbers, -1));
    assertRefused(
        IllegalArgumentException.class,
        "starts: expected at least 3 numbers, came 2",
        () -> batch.assignSegments(2, new int[2], numbers, 2));
    assertRefused(
        IllegalArgumentException.class,
        "adapterOfSegment: expected at least 2 numbers, came 1",
        () -> batch.assignSegments(2, new int[3], new int[1], 2));
    assertRefused(
        IllegalArgumentException.class,
        "maxRows: expected at least 0, came -1",
        () -> new AdapterBatch(backend, -1, 1));
    assertRefused(
        IllegalArgumentException.class,
        "maxAdapters: expected at least 0, came -1",
        () -> new AdapterBatch(backend, 1, -1));
  }

  @Test
  void tensors() {
    assertRefused(
        ShapeMismatchException.class,
        "x: expected the assignment's 3 rows",
        () -> batch.forward(x.rowSlice(0, 2), y, adapters));
    assertRefused(
        ShapeMismatchException.class,
        "y: expected the assignment's 3 rows",
        () -> batch.forward(x, y.rowSlice(0, 2), adapters));
    assertRefused(
        ShapeMismatchException.class,
        "adapters[0]: expected one from x's 5 features to y's 5, came one from 6 to 5",
        () -> batch.forward(x.columnSlice(0, 5), y, adapters));
    assertRefused(
        ShapeMismatchException.class,
        "y: expected shape",
        () -> batch.forward(x, Tensor.of(y.segment(), DType.F32, 15), adapters));
    assertRefused(
        DTypeMismatchException.class,
        "y: expected F32",
        () -> batch.forward(x, Tensor.allocate(arena, DType.BF16, 3, OUT), adapters));
    assertRefused(
        OverlapException.class,
        "y: expected memory apart from x's",
        () -> batch.forward(x, x.columnSlice(1, 6), adapters));
    assertRefused(
        IllegalArgumentException.class,
        "y: expected writable memory",
        () -> batch.forward(x, Tensor.of(y.segment().asReadOnly(), DType.F32, 3, OUT), adapters));
    Arena other = Arena.ofShared();
    Tensor dead = Tensor.allocate(other, DType.F32, 3, IN);
    MemorySegment deadNumbers = other.allocate(12);
    other.close();
    assertRefused(
        IllegalStateException.class,
        "x: expected a live arena",
        () -> batch.forward(dead, y, adapters));
    assertRefused(
        IllegalStateException.class,
        "adapterOfRow: expected a live arena",
        () -> batch.assignRows(2, deadNumbers));
  }

  @Test
  void adapters() {
    assertRefused(
        IllegalArgumentException.class,
        "adapters: expected the assignment's 2, came 1",
        () -> batch.forward(x, y, adapters.subList(0, 1)));
    assertRefused(
        IllegalArgumentException.class,
        "scales: expected at least 2 numbers, came 1",
        () -> batch.forward(x, y, adapters, new float[1]));
    assertRefused(
        IllegalArgumentException.class,
        "scales[1]: expected a finite number, came NaN",
        () -> batch.forward(x, y, adapters, new float[] {1, Float.NaN}));
    try (Adapter foreign = Backend.require("panama").prepare(weights)) {
      assertRefused(
          IllegalArgumentException.class,
          "adapters[1]: expected one prepared by backend scalar",
          () -> batch.forward(x, y, Arrays.asList(adapters.get(0), foreign)));
    }
    AdapterWeights changing = Methods.weights(weights.spec(), 2, arena);
    try (Adapter stale = backend.prepare(changing)) {
      changing.markChanged();
      assertRefused(
          IllegalStateException.class,
          "changed since they were packed",
          () -> batch.forward(x, y, Arrays.asList(adapters.get(0), stale)));
    }
    adapters.get(1).close();
    assertRefused(
        IllegalStateException.class,
        "adapter: expected an open one",
        () -> batch.forward(x, y, adapters));
  }
}
