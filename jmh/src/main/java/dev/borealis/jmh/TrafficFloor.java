package dev.borealis.jmh;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The least that an adapter of any rank must do: plain loops, one thread, that touch the bytes of
 * the activations in the adapter's pattern, row by row. The weights' bytes are left out, so with
 * few tokens no adapter gets near.
 */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class TrafficFloor {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  /** Rows of X. */
  @Param({"1", "16", "512"})
  public int tokens;

  /** d_in and d_out. */
  @Param({"768", "4096"})
  public int features;

  @SuppressWarnings("NullAway.Init") // by setUp
  private Arena arena;

  @SuppressWarnings("NullAway.Init") // by setUp
  private MemorySegment x;

  @SuppressWarnings("NullAway.Init") // by setUp
  private MemorySegment dY;

  @SuppressWarnings("NullAway.Init") // by setUp
  private MemorySegment y;

  /** Made by JMH. */
  public TrafficFloor() {}

  /** Allocates everything. */
  @Setup(Level.Trial)
  public void setUp() {
    arena = Arena.ofShared();
    x = Tensor.allocate(arena, DType.F32, tokens, features).segment();
    dY = Tensor.allocate(arena, DType.F32, tokens, features).segment();
    y = Tensor.allocate(arena, DType.F32, tokens, features).segment();
  }

  /** Frees everything. */
  @TearDown(Level.Trial)
  public void tearDown() {
    arena.close();
  }

  /** Reads X; reads and writes Y. */
  @Benchmark
  public void forward() {
    forward(x, y, tokens, features);
  }

  /** Reads X and dY; reads and writes dX. */
  @Benchmark
  public void backward() {
    backward(x, dY, y, tokens, features);
  }

  /** Adds 1 + the row's sum to each element of Y. */
  static void forward(MemorySegment x, MemorySegment y, int tokens, int features) {
    for (int row = 0; row < tokens; row++) {
      long offset = (long) row * features * 4;
      int sum = sum(x, offset, features);
      add(y, offset, features, sum + 1);
    }
  }

  /** Adds 1 + the sum of both rows to each element of dX. */
  static void backward(
      MemorySegment x, MemorySegment dY, MemorySegment dX, int tokens, int features) {
    for (int row = 0; row < tokens; row++) {
      long offset = (long) row * features * 4;
      int sum = sum(x, offset, features) + sum(dY, offset, features);
      add(dX, offset, features, sum + 1);
    }
  }

  /** In int, because C2 may not reorder a sum of floats, and so would not vectorise it. */
  private static int sum(MemorySegment segment, long offset, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
      sum += segment.get(INT, offset + 4L * i);
    }
    return sum;
  }

  private static void add(MemorySegment segment, long offset, int count, int value) {
    for (int i = 0; i < count; i++) {
      long at = offset + 4L * i;
      segment.set(INT, at, segment.get(INT, at) + value);
    }
  }
}
