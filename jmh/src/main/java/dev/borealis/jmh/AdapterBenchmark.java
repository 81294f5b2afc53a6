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

/** Time of one adapter call, by backend, method and shape; the same tensors in every call. */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class AdapterBenchmark {
  /** Name of the backend. */
  @Param({"panama", "scalar"})
  public String backend = "";

  /** Kind of adapter. */
  @Param public Method method = Method.LORA;

  /** Rank r. */
  @Param({"2", "8", "64"})
  public int rank;

  /** Rows of X. */
  @Param({"1", "16", "512"})
  public int tokens;

  /** d_in and d_out. */
  @Param({"768", "4096"})
  public int features;

  @SuppressWarnings("NullAway.Init") // by setUp
  private AdapterCase adapterCase;

  /** Made by JMH. */
  public AdapterBenchmark() {}

  /** Allocates everything. */
  @Setup(Level.Trial)
  public void setUp() {
    adapterCase = new AdapterCase(Backend.require(backend), method, rank, tokens, features);
  }

  /** Frees everything. */
  @TearDown(Level.Trial)
  public void tearDown() {
    adapterCase.close();
  }

  /** {@code Y += s·U Bᵀ}, for inference. */
  @Benchmark
  public void forward() {
    adapterCase.forward();
  }

  /** dX and the gradients of all parameters, accumulated. */
  @Benchmark
  public void backward() {
    adapterCase.backward();
  }
}
