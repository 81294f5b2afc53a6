package dev.borealis.jmh;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.jmh.cpu.CpuBench;
import dev.borealis.jmh.report.CompareBench;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** Starts the benchmarks, without the backends that can't start here. */
public final class BenchMain {
  private static final List<String> BACKENDS = List.of("panama", "scalar");

  /** The system property for the number of threads. */
  static final String THREADS = "borealis.threads";

  private BenchMain() {}

  /**
   * Runs benchmarks, then prints each time beside its traffic floor of the same run.
   *
   * @param args {@code quick}, {@code peers} or {@code full} for Borealis beside its peers, {@code
   *     report} to write the report of the last such run anew, with the options of {@link
   *     dev.borealis.jmh.compare.Plan}; {@code cpu} for every CPU kernel against the machine's
   *     limits; {@code gpu} for the CUDA kernels against a GPU's and cuBLAS, perhaps with numbers
   *     of tokens; {@code serving} for mixed batches against theirs; {@code first} for a small
   *     choice of at most two minutes; or JMH's own arguments, of which the first is a pattern for
   *     the benchmarks' names
   * @throws CommandLineOptionException if JMH does not understand its arguments
   * @throws RunnerException if a benchmark fails
   * @throws IOException if a process can't be started
   * @throws InterruptedException if interrupted while waiting
   */
  public static void main(String[] args)
      throws CommandLineOptionException, RunnerException, IOException, InterruptedException {
    if (args.length > 0 && CompareBench.MODES.contains(args[0])) {
      CompareBench.run(args[0], List.of(args).subList(1, args.length));
      return;
    }
    if (args.length == 1 && args[0].equals("cpu")) {
      CpuBench.run();
      return;
    }
    if (args.length == 1 && args[0].equals("serving")) {
      ServingBench.run();
      return;
    }
    if (args.length > 0 && args[0].equals("gpu")) {
      GpuBench.run(List.of(args).subList(1, args.length));
      return;
    }
    if (args.length == 0) {
      System.out.println(
          "Expected `quick`, `peers`, `full`, `report`, `cpu`, `gpu`, `first`, `serving`, or JMH's"
              + " arguments beginning with a pattern.");
      return;
    }
    Options options = args[0].equals("first") ? first() : fromCommandLine(args);
    Collection<RunResult> results = new Runner(options).run();
    System.out.print(FloorTable.of(results));
  }

  private static Options first() {
    ChainedOptionsBuilder builder =
        new OptionsBuilder()
            .include(AdapterBenchmark.class.getSimpleName())
            .include(TrafficFloor.class.getSimpleName())
            .param("backend", available())
            .param("method", Method.LORA.name(), Method.AURORA.name())
            .param("rank", "8")
            .param("tokens", "16", "512")
            .param("features", "768")
            .warmupIterations(3)
            .warmupTime(TimeValue.milliseconds(800))
            .measurementIterations(3)
            .measurementTime(TimeValue.milliseconds(300))
            .shouldFailOnError(true);
    return onOneThread(builder);
  }

  private static Options onOneThread(ChainedOptionsBuilder builder) {
    if (System.getProperty(THREADS) == null) {
      // The floor is one thread's; compare like with like unless the user asks otherwise.
      builder.jvmArgsAppend("-D" + THREADS + "=1");
    }
    return builder.build();
  }

  private static Options fromCommandLine(String[] args) throws CommandLineOptionException {
    CommandLineOptions given = new CommandLineOptions(args);
    if (given.getParameter("backend").hasValue()) {
      return given;
    }
    return new OptionsBuilder().parent(given).param("backend", available()).build();
  }

  /** Prints why a backend is left out. */
  private static String[] available() {
    List<String> names = new ArrayList<>();
    for (String name : BACKENDS) {
      try {
        names.add(Backend.require(name).name());
      } catch (BackendUnavailableException e) {
        System.out.println("Skipped: " + e.getMessage());
      }
    }
    return names.toArray(String[]::new);
  }
}
