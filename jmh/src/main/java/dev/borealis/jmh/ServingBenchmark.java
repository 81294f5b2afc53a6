package dev.borealis.jmh;

import dev.borealis.backend.Backend;
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
 * Time of calls over many adapters. {@code -Dborealis.threads=1} compares with the floor, which is
 * one thread's.
 */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class ServingBenchmark {
  /** Name of the backend. */
  @Param("panama")
  public String backend = "";

  /** Kind of the adapters. */
  @Param({"LORA", "AURORA"})
  public Method method = Method.LORA;

  /** Rank r. */
  @Param("8")
  public int rank;

  /** Rows of X, and adapters. */
  @Param("64")
  public int rows;

  /** d_in and d_out. */
  @Param("4096")
  public int features;

  @SuppressWarnings("NullAway.Init") // by setUp
  private ServingCase servingCase;

  /** Made by JMH. */
  public ServingBenchmark() {}

  /** Allocates everything. */
  @Setup(Level.Trial)
  public void setUp() {
    servingCase = new ServingCase(Backend.require(backend), method, rank, rows, features);
  }

  /** Frees everything. */
  @TearDown(Level.Trial)
  public void tearDown() {
    servingCase.close();
  }

  /** Each row through an adapter of its own. */
  @Benchmark
  public void each() {
    servingCase.each();
  }

  /** {@return a sum over every adapter's A and B, read once} The floor of {@link #each}. */
  @Benchmark
  public long eachFloor() {
    return servingCase.floor();
  }

  /** All rows through one adapter, as a batch. */
  @Benchmark
  public void one() {
    servingCase.one();
  }

  /** All rows through one adapter, by its own call: the floor of {@link #one}. */
  @Benchmark
  public void onePlain() {
    servingCase.plain();
  }

  /** No row through any adapter. */
  @Benchmark
  public void none() {
    servingCase.none();
  }
}
