package dev.borealis.jmh.compare;

import dev.borealis.jmh.cpu.Affinity;
import dev.borealis.jmh.cpu.Limits;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * The traffic floors: one thread touches the bytes of a working set that stays in one level of the
 * memory hierarchy, in the patterns of the adapter's calls.
 */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 6, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 100, timeUnit = TimeUnit.MILLISECONDS)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class Bandwidth {
  /** Whole vectors for the loops, at any vector length. */
  private static final long GRAIN = 1024;

  /** What a loop does. */
  public enum Pattern {
    /** Reads. */
    READ("read", 1, 0),
    /** Reads and writes in place. */
    UPDATE("update", 0, 1),
    /** Reads X, updates Y. */
    FORWARD("read X, update Y", 1, 1),
    /** Reads X and dY, updates dX. */
    BACKWARD("read X and dY, update dX", 2, 1);

    private final String title;
    final int read;
    final int updated;

    Pattern(String title, int read, int updated) {
      this.title = title;
      this.read = read;
      this.updated = updated;
    }

    /** {@return the name in reports} */
    public String title() {
      return title;
    }
  }

  /** Where the data is: half of a cache, or four times the last one. */
  public enum Level {
    /** Nearest. */
    L1,
    /** Second. */
    L2,
    /** Third. */
    L3,
    /** Main memory. */
    MEMORY;

    long bytes() {
      return switch (this) {
        case L1 -> Machine.cache(1) / 2;
        case L2 -> Machine.cache(2) / 2;
        case L3 -> Machine.cache(3) / 2;
        case MEMORY -> 4 * Machine.cache(3);
      };
    }

    /** {@return the name in reports} */
    public String title() {
      return this == MEMORY ? name().toLowerCase(Locale.ROOT) : name();
    }
  }

  /** What is done. */
  @Param public Pattern pattern = Pattern.READ;

  /** Where. */
  @Param public Level level = Level.L1;

  private final List<MemorySegment> read = new ArrayList<>();
  private final List<MemorySegment> updated = new ArrayList<>();
  private final Arena arena = Arena.ofShared();

  /** Made by JMH. */
  public Bandwidth() {}

  /** {@return bytes of each tensor of a working set} */
  private static long share(Pattern pattern, Level level) {
    return level.bytes() / (pattern.read + pattern.updated) / GRAIN * GRAIN;
  }

  /** {@return bytes that pass by in one call} */
  private static double traffic(Pattern pattern, Level level) {
    return (double) share(pattern, level) * (pattern.read + 2 * pattern.updated);
  }

  /** Allocates everything, and keeps the thread on one processor if it can. */
  @Setup
  public void setUp() {
    Affinity.pin(0);
    allocate(read, pattern.read);
    allocate(updated, pattern.updated);
  }

  private void allocate(List<MemorySegment> tensors, int count) {
    for (int i = 0; i < count; i++) {
      tensors.add(arena.allocate(share(pattern, level), 64));
    }
  }

  /** Frees everything. */
  @TearDown
  public void tearDown() {
    arena.close();
  }

  /** Every byte once. */
  @Benchmark
  public void pass() {
    for (MemorySegment tensor : read) {
      Limits.read(tensor);
    }
    for (MemorySegment tensor : updated) {
      Limits.update(tensor);
    }
  }

  /**
   * Measures by JMH, a process for each pattern and level.
   *
   * @param patterns which of them
   * @return the limits
   * @throws RunnerException if JMH can't run, for one because another JMH runs
   */
  static List<Limit> measure(Pattern... patterns) throws RunnerException {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\." + Bandwidth.class.getSimpleName() + "\\.")
            .param("pattern", Arrays.stream(patterns).map(Pattern::name).toArray(String[]::new))
            .verbosity(VerboseMode.SILENT)
            .shouldFailOnError(true);
    List<Limit> limits = new ArrayList<>();
    for (RunResult result : new Runner(options.build()).run()) {
      Pattern pattern = Pattern.valueOf(result.getParams().getParam("pattern"));
      Level level = Level.valueOf(result.getParams().getParam("level"));
      double nanos = result.getPrimaryResult().getStatistics().getMin();
      limits.add(new Limit(pattern, level, level.bytes(), traffic(pattern, level) / nanos));
    }
    return limits;
  }
}
