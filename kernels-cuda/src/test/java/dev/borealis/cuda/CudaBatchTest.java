package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.serving.AdapterBatch;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Methods;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rows of several adapters in one call: the bits of a call of each adapter with its rows. */
class CudaBatchTest extends OnDevice {
  private static final int IN = 270; // two shares of Z for a group of few rows
  private static final int OUT = 75;
  private static final int ROWS = 90;

  /** Every method, at ranks from 1 to 70. */
  private List<AdapterWeights> weights(SplittableRandom random) {
    List<AdapterWeights> all = new ArrayList<>();
    int methods = Methods.all(IN, OUT, 1, true).size();
    for (int method = 0; method < methods; method++) {
      AdapterSpec spec = Methods.all(IN, OUT, random.nextInt(1, 71), true).get(method);
      all.add(CudaShapesTest.weights(spec, random, arena));
    }
    return all;
  }

  private static int[] rowsOf(int[] numbers, int number) {
    List<Integer> rows = new ArrayList<>();
    for (int row = 0; row < numbers.length; row++) {
      if (numbers[row] == number) {
        rows.add(row);
      }
    }
    return rows.stream().mapToInt(i -> i).toArray();
  }

  /** The rows of each adapter in a call of its own, gathered and scattered by the test. */
  private double[] oneByOne(List<Adapter> adapters, int[] numbers, Tensor x, Tensor y) {
    Tensor expected = Tensor.allocate(arena, y.dtype(), y.shape());
    DeviceStream.onHost().copy(y, expected);
    for (int number = 0; number < adapters.size(); number++) {
      int[] rows = rowsOf(numbers, number);
      // With rows of zeros behind them if there are so few that another kernel would do them.
      int n = Math.max(rows.length, CudaEngine.DECODE_TOKENS + 1);
      Tensor ownX = Tensor.allocate(arena, x.dtype(), n, IN);
      Tensor ownY = Tensor.allocate(arena, y.dtype(), n, OUT);
      for (int i = 0; i < rows.length; i++) {
        DeviceStream.onHost().copy(x.rowSlice(rows[i], rows[i] + 1), ownX.rowSlice(i, i + 1));
        DeviceStream.onHost().copy(y.rowSlice(rows[i], rows[i] + 1), ownY.rowSlice(i, i + 1));
      }
      Adapter adapter = adapters.get(number);
      adapter.forward(
          ownX, ownY, CallOptions.of(adapter.spec()), adapter.workspace(n, Mode.INFERENCE, arena));
      for (int i = 0; i < rows.length; i++) {
        DeviceStream.onHost()
            .copy(ownY.rowSlice(i, i + 1), expected.rowSlice(rows[i], rows[i] + 1));
      }
    }
    return CudaShapesTest.values(expected);
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void byRowTheBitsOfCallsOfEachAdapter(DType type) {
    StandIn.order(StandIn.Order.RANDOM);
    SplittableRandom random = new SplittableRandom(5);
    List<Adapter> adapters = new ArrayList<>();
    for (AdapterWeights weights : weights(random)) {
      adapters.add(cuda.prepare(weights));
    }
    AdapterBatch batch =
        new AdapterBatch(cuda, new BatchLimits(ROWS, adapters.size(), IN, 70), stream, arena);
    // The second assignment finds what the first one left.
    for (int n : new int[] {ROWS, 7}) {
      int[] numbers = new int[n];
      for (int row = 0; row < n; row++) {
        // One adapter has more rows than a tile, some have none.
        numbers[row] = random.nextInt(3) > 0 ? 2 : random.nextInt(-1, adapters.size());
      }
      Tensor x = CudaShapesTest.random(random, arena, type, 1, n, IN);
      Tensor y = CudaShapesTest.random(random, arena, n == 7 ? DType.F32 : type, 1, n, OUT);
      Tensor deviceY = toDevice(y);
      batch.assignRows(adapters.size(), numbers, n);
      batch.forward(toDevice(x), deviceY, adapters);
      assertArrayEquals(oneByOne(adapters, numbers, x, y), toHost(deviceY), 0);
    }
    adapters.forEach(Adapter::close);
  }

  private double[] mixed(DeviceStream queue, List<Adapter> adapters, Tensor x) {
    Tensor y = toDevice(Tensor.allocate(arena, DType.F32, ROWS, OUT));
    stream.synchronize();
    int[] numbers = new int[ROWS];
    for (int row = 0; row < ROWS; row++) {
      numbers[row] = row * row % adapters.size();
    }
    BatchLimits limits = new BatchLimits(ROWS, adapters.size(), IN, 70);
    AdapterBatch batch = new AdapterBatch(cuda, limits, queue, arena);
    batch.assignRows(adapters.size(), numbers, ROWS);
    batch.forward(x, y, adapters);
    queue.synchronize();
    return toHost(y);
  }

  /** From sm_90 on a launch is set up while the one before it runs. */
  @Test
  void chainedLaunchesHaveTheSameBits() {
    StandIn.assumeUsed();
    SplittableRandom random = new SplittableRandom(7);
    List<Adapter> adapters = weights(random).stream().map(cuda::prepare).toList();
    Tensor x = toDevice(CudaShapesTest.random(random, arena, DType.BF16, 1, ROWS, IN));
    double[] unchained = mixed(stream, adapters, x);
    StandIn.capability(90);
    try (DeviceStream chained = cuda.stream()) {
      int before = StandIn.programmaticLaunches();
      assertArrayEquals(unchained, mixed(chained, adapters, x), 0);
      assertEquals(before + 3, StandIn.programmaticLaunches());
    } finally {
      StandIn.capability(80);
    }
    adapters.forEach(Adapter::close);
  }

  @Test
  void bySegmentWithScalesAgreesWithTheOracle() {
    SplittableRandom random = new SplittableRandom(6);
    List<AdapterWeights> weights = weights(random).subList(0, 3);
    List<Adapter> adapters = weights.stream().map(cuda::prepare).toList();
    int[] starts = {0, 40, 41, 41, 60};
    int[] numbers = {1, 0, 1, -1};
    float[] scales = {0.5f, -2, 1};
    Tensor x = CudaShapesTest.random(random, arena, DType.F32, 1, 60, IN);
    Tensor y = Tensor.allocate(arena, DType.F32, 60, OUT);
    Tensor deviceY = toDevice(y);
    AdapterBatch batch = new AdapterBatch(cuda, new BatchLimits(64, 4, IN, 70), stream, arena);
    batch.assignSegments(3, starts, numbers, 4);
    batch.forward(toDevice(x), deviceY, adapters, scales);
    double[] came = toHost(deviceY);
    for (int segment = 0; segment < 4; segment++) {
      int from = starts[segment];
      int n = starts[segment + 1] - from;
      double[] expected = new double[n * OUT];
      if (numbers[segment] >= 0 && n > 0) {
        AdapterWeights own = weights.get(numbers[segment]);
        CallOptions options = CallOptions.of(own.spec()).withScale(scales[numbers[segment]]);
        double[] rows = CudaShapesTest.values(x.rowSlice(from, from + n));
        expected = new AdapterOracle(own).forward(rows, n, options, false).y();
      }
      double largest = 0;
      for (double value : expected) {
        largest = Math.max(largest, Math.abs(value));
      }
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], came[from * OUT + i], 2e-6 * largest, "segment " + segment);
      }
    }
    adapters.forEach(Adapter::close);
  }

  private static void requireMessage(
      Class<? extends RuntimeException> type, String message, Runnable call) {
    assertEquals(message, assertThrows(type, call::run).getMessage());
  }

  @Test
  void callsBeyondTheLimitsAndElsewhereAreRefused() {
    AdapterSpec spec = AdapterSpec.lora(20, 10, 8).build();
    AdapterWeights weights = AdapterWeights.initialise(spec, 1, arena);
    Tensor x = cuda.allocate(arena, DType.F32, 2, 20);
    Tensor y = cuda.allocate(arena, DType.F32, 2, 10);
    assertTrue(
        String.valueOf(
                assertThrows(
                        UnsupportedOperationException.class, () -> new AdapterBatch(cuda, 2, 1))
                    .getMessage())
            .startsWith("backend cuda: expected a batch with a stream"));
    try (Adapter adapter = cuda.prepare(weights);
        Adapter other = Backend.require("scalar").prepare(weights)) {
      AdapterBatch lowRank = new AdapterBatch(cuda, new BatchLimits(2, 1, 20, 7), stream, arena);
      lowRank.assignRows(1, new int[2], 2);
      requireMessage(
          IllegalArgumentException.class,
          "adapters[0]: expected at most 7 ranks, came 8",
          () -> lowRank.forward(x, y, List.of(adapter)));
      AdapterBatch batch = new AdapterBatch(cuda, new BatchLimits(2, 1, 20, 8), stream, arena);
      batch.assignRows(1, new int[2], 2);
      requireMessage(
          IllegalArgumentException.class,
          "adapters[0]: expected one prepared by backend cuda",
          () -> batch.forward(x, y, List.of(other)));
      requireMessage(
          IllegalArgumentException.class,
          "x: expected a tensor on cuda:0, came Tensor[2, 20] F32 on the host",
          () -> batch.forward(Tensor.allocate(arena, DType.F32, 2, 20), y, List.of(adapter)));
      AdapterBatch gone;
      try (Arena short_ = Arena.ofShared()) {
        gone = new AdapterBatch(cuda, new BatchLimits(2, 1, 20, 8), stream, short_);
        gone.assignRows(1, new int[2], 2);
      }
      requireMessage(
          IllegalStateException.class,
          "batch: expected a live arena, came a closed one",
          () -> gone.forward(x, y, List.of(adapter)));
    }
  }
}
