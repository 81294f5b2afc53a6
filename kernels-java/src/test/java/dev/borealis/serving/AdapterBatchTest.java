package dev.borealis.serving;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.backend.Backend;
import dev.borealis.internal.HeapBytes;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Backends;
import dev.borealis.testing.GuardedTensor;
import dev.borealis.testing.GuardedTensor.Place;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Batches of several adapters' rows: the bits of one-adapter calls, and no garbage. */
class AdapterBatchTest {
  private static final String BACKENDS = "backends";
  private static final int MAX_ROWS = 200;

  private final SplittableRandom random = new SplittableRandom(11);

  static Stream<Backend> backends() {
    return Backends.all();
  }

  private <T> T choose(T[] values) {
    return values[random.nextInt(values.length)];
  }

  /** Every method once, at random ranks from 1 to 33. */
  private List<Adapter> adapters(Backend backend, int in, int out, Arena arena) {
    List<Adapter> adapters = new ArrayList<>();
    int methods = Methods.all(in, out, 1, false).size();
    for (int method = 0; method < methods; method++) {
      // Dropout is for training alone: it must not change a batch.
      AdapterSpec spec =
          Methods.all(in, out, random.nextInt(1, 34), random.nextBoolean()).get(method);
      adapters.add(backend.prepare(Methods.weights(spec, method, arena)));
    }
    return adapters;
  }

  /** Rows by runs of random length, or at random, or in turns. */
  private int[] rowsOf(int adapters, int rows) {
    int[] numbers = new int[rows];
    int kind = random.nextInt(3);
    int used = random.nextInt(1, adapters + 1);
    for (int row = 0; row < rows; row++) {
      boolean same = kind == 0 && row > 0 && random.nextInt(20) > 0;
      int drawn = kind == 2 ? row % used : random.nextInt(-1, used);
      numbers[row] = same ? numbers[row - 1] : drawn;
    }
    return numbers;
  }

  private record Rows(GuardedTensor x, GuardedTensor y, Tensor expected) {}

  private Rows rows(Arena arena, int n, int in, int out) {
    DType type = choose(DType.values());
    DType yType = random.nextBoolean() ? type : DType.F32;
    GuardedTensor x =
        GuardedTensor.of(choose(Place.values()), arena, type, random.nextInt(4), n, in);
    GuardedTensor y =
        GuardedTensor.of(choose(Place.values()), arena, yType, random.nextInt(4), n, out);
    Tensor expected = Tensor.allocate(arena, yType, n, out);
    x.randomise(random, 1);
    y.randomise(random, 1);
    copy(y.tensor(), expected);
    return new Rows(x, y, expected);
  }

  private static void copy(Tensor from, Tensor to) {
    for (long row = 0; row < from.rows(); row++) {
      for (long column = 0; column < from.columns(); column++) {
        to.set(row, column, from.get(row, column));
      }
    }
  }

  /** Each row by a call of its adapter alone. */
  private static void oneByOne(
      List<Adapter> adapters, int[] numbers, float[] scales, Rows rows, Arena arena) {
    for (int row = 0; row < numbers.length; row++) {
      if (numbers[row] >= 0) {
        Adapter adapter = adapters.get(numbers[row]);
        CallOptions options = CallOptions.of(adapter.spec());
        adapter.forward(
            rows.x.tensor().rowSlice(row, row + 1),
            rows.expected.rowSlice(row, row + 1),
            scales.length == 0 ? options : options.withScale(scales[numbers[row]]),
            adapter.workspace(1, Mode.INFERENCE, arena));
      }
    }
  }

  private static int[] bits(Tensor tensor) {
    int columns = (int) tensor.columns();
    int[] bits = new int[(int) tensor.rows() * columns];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(tensor.get(i / columns, i % columns));
    }
    return bits;
  }

  private static void assertSame(Rows rows, String name) {
    assertArrayEquals(bits(rows.expected), bits(rows.y.tensor()), name);
    assertTrue(rows.x.isUnchanged(), name);
    assertTrue(rows.y.isUnchangedAround(), name);
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void rowByRowTheBitsOfOneAdapterCalls(Backend backend) {
    for (int round = 0; round < 30; round++) {
      int in = random.nextInt(1, 90);
      int out = random.nextInt(1, 90);
      try (Arena arena = Arena.ofShared()) {
        List<Adapter> adapters = adapters(backend, in, out, arena);
        AdapterBatch batch = new AdapterBatch(backend, MAX_ROWS, adapters.size());
        // The second assignment finds what the first one left.
        for (int call = 0; call < 2; call++) {
          int n = random.nextInt(MAX_ROWS + 1);
          int[] numbers = rowsOf(adapters.size(), n);
          Rows rows = rows(arena, n, in, out);
          if (random.nextBoolean()) {
            batch.assignRows(adapters.size(), Arrays.copyOf(numbers, n + 3), n);
          } else {
            batch.assignRows(adapters.size(), MemorySegment.ofArray(numbers));
          }
          assertEquals(n, batch.rows());
          float[] scales = new float[random.nextBoolean() ? adapters.size() : 0];
          for (int i = 0; i < scales.length; i++) {
            scales[i] = (float) random.nextDouble(-2, 2);
          }
          if (scales.length > 0) {
            batch.forward(rows.x.tensor(), rows.y.tensor(), adapters, scales);
          } else {
            batch.forward(rows.x.tensor(), rows.y.tensor(), adapters);
          }
          oneByOne(adapters, numbers, scales, rows, arena);
          assertSame(rows, backend + ", round " + round + ", " + Arrays.toString(numbers));
        }
        adapters.forEach(Adapter::close);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void bySegmentsTheBitsOfOneAdapterCalls(Backend backend) {
    for (int round = 0; round < 20; round++) {
      int in = random.nextInt(1, 90);
      int out = random.nextInt(1, 90);
      try (Arena arena = Arena.ofShared()) {
        List<Adapter> adapters = adapters(backend, in, out, arena);
        int segments = random.nextInt(8);
        int[] starts = new int[segments + 2];
        int[] numberOf = new int[segments + 1];
        int[] numbers = new int[segments * 25];
        for (int s = 0; s < segments; s++) {
          starts[s + 1] = starts[s] + random.nextInt(26);
          // Few adapters, so that some have several segments.
          numberOf[s] = random.nextInt(-1, 4);
          Arrays.fill(numbers, starts[s], starts[s + 1], numberOf[s]);
        }
        int n = starts[segments];
        Rows rows = rows(arena, n, in, out);
        AdapterBatch batch = new AdapterBatch(backend, MAX_ROWS, adapters.size());
        batch.assignSegments(adapters.size(), starts, numberOf, segments);
        batch.forward(rows.x.tensor(), rows.y.tensor(), adapters);
        oneByOne(adapters, Arrays.copyOf(numbers, n), new float[0], rows, arena);
        assertSame(rows, backend + ", round " + round + ", " + Arrays.toString(starts));
        adapters.forEach(Adapter::close);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void ofOneAdapterTheBitsOfThePlainCall(Backend backend) {
    try (Arena arena = Arena.ofShared()) {
      List<Adapter> adapters = adapters(backend, 61, 53, arena);
      AdapterBatch batch = new AdapterBatch(backend, MAX_ROWS, adapters.size());
      for (int number = 0; number < adapters.size(); number++) {
        Rows rows = rows(arena, MAX_ROWS, 61, 53);
        int[] numbers = new int[MAX_ROWS];
        Arrays.fill(numbers, number);
        batch.assignRows(adapters.size(), numbers, MAX_ROWS);
        batch.forward(rows.x.tensor(), rows.y.tensor(), adapters);
        Adapter adapter = adapters.get(number);
        adapter.forward(
            rows.x.tensor(), rows.expected, adapter.workspace(MAX_ROWS, Mode.INFERENCE, arena));
        assertSame(rows, backend + ", " + adapter.spec());
      }
      adapters.forEach(Adapter::close);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void rowsOfNullAdaptersStayAndUnusedOnesAreNotLookedAt(Backend backend) {
    try (Arena arena = Arena.ofShared()) {
      Adapter first = backend.prepare(Methods.weights(lora(7, 5), 1, arena));
      Adapter closed = backend.prepare(Methods.weights(lora(3, 4), 1, arena));
      closed.close();
      Rows rows = rows(arena, 3, 7, 5);
      AdapterBatch batch = new AdapterBatch(backend, 3, 3);
      batch.assignRows(3, new int[] {1, 0, 1}, 3);
      batch.forward(rows.x.tensor(), rows.y.tensor(), Arrays.asList(first, null, closed));
      oneByOne(List.of(first), new int[] {-1, 0, -1}, new float[0], rows, arena);
      assertSame(rows, backend.toString());
      first.close();
    }
  }

  private static AdapterSpec lora(int in, int out) {
    return AdapterSpec.lora(in, out, 2).build();
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void emptyBatches(Backend backend) {
    AdapterBatch batch = new AdapterBatch(backend, 4, 0);
    try (Arena arena = Arena.ofConfined()) {
      Rows none = rows(arena, 0, 7, 5);
      batch.forward(none.x.tensor(), none.y.tensor(), List.of());
      batch.assignSegments(0, new int[1], new int[0], 0);
      batch.forward(none.x.tensor(), none.y.tensor(), List.of());
      Rows rows = rows(arena, 4, 7, 5);
      batch.assignRows(0, new int[] {-1, -1, -1, -1}, 4);
      batch.forward(rows.x.tensor(), rows.y.tensor(), List.of());
      assertTrue(rows.y.isUnchanged());
    }
  }

  /** What isn't compiled yet allocates: the rounds are how long the compiler may take. */
  private static void assertNoGarbage(Runnable call) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 200 && least > 0; round++) {
      least = Math.min(least, HeapBytes.afterWarmUp(call));
    }
    assertEquals(0, least);
  }

  @Tag("allocation")
  @Test
  void callsAndAssignmentsAllocateNothing() {
    Backend backend = Backend.require("panama");
    // Confined, so that this thread does all the work and is charged for it.
    try (Arena arena = Arena.ofConfined()) {
      // What each method's kernels allocate is another test's: few suffice here.
      List<Adapter> adapters =
          Stream.of(
                  AdapterSpec.lora(37, 41, 3).build(),
                  AdapterSpec.aurora(37, 41, 2).build(),
                  AdapterSpec.nora(37, 41, 5).upBias().build())
              .map(spec -> backend.prepare(Methods.weights(spec, 1, arena)))
              .toList();
      int count = adapters.size();
      AdapterBatch batch = new AdapterBatch(backend, 24, count);
      Tensor x = random(Place.NATIVE, DType.F32, arena, 37);
      Tensor y = random(Place.NATIVE, DType.F32, arena, 41);
      int[] numbers = new int[24];
      Arrays.setAll(numbers, row -> row * row % 7 % 4 - 1);
      MemorySegment segment = arena.allocate(4L * numbers.length, 4);
      segment.copyFrom(MemorySegment.ofArray(numbers));
      int[] starts = {0, 5, 5, 20, 24};
      float[] scales = new float[count];
      Tensor heapX = random(Place.BYTES, DType.BF16, arena, 37);
      Tensor heapY = random(Place.BYTES, DType.BF16, arena, 41);
      assertNoGarbage(() -> {
        batch.assignRows(count, numbers, 24);
        batch.forward(x, y, adapters, scales);
        batch.assignRows(count, segment);
        batch.forward(heapX, heapY, adapters, scales);
        batch.assignSegments(count, starts, numbers, 4);
        batch.forward(x, y, adapters);
      });
      adapters.forEach(Adapter::close);
    }
  }

  private Tensor random(Place place, DType type, Arena arena, int columns) {
    return GuardedTensor.of(place, arena, type, 2, 24, columns).randomise(random, 1).tensor();
  }
}
