package dev.borealis.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Proves that benchmarks compile and fork; a placeholder, to be deleted with the first real one.
 */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 1, time = 100, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 1, time = 100, timeUnit = TimeUnit.MILLISECONDS)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class PlaceholderBenchmark {
  /** An angle, in radians. */
  @Param("0.5")
  public double angle;

  /** Made by JMH. */
  public PlaceholderBenchmark() {}

  /**
   * Calls the library's sine.
   *
   * @return the sine of the angle
   */
  @Benchmark
  public double sine() {
    return Math.sin(angle);
  }
}
