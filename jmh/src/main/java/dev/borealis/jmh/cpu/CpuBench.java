package dev.borealis.jmh.cpu;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The table of goals: runs {@link CpuRun} in a process of its own for one thread and for two, and
 * says for every regime what was reached and whether the goal is met.
 */
public final class CpuBench {
  private static final double SPEED_UP = 1.9;

  private CpuBench() {}

  /**
   * Runs and prints.
   *
   * @throws IOException if a process can't be started
   * @throws InterruptedException if interrupted while waiting
   */
  public static void run() throws IOException, InterruptedException {
    List<Row> rows = new ArrayList<>();
    for (int threads = 1;
        threads <= Math.min(2, Runtime.getRuntime().availableProcessors());
        threads++) {
      rows.addAll(fork(threads));
    }
    rows.addAll(speedUps(rows));
    rows.addAll(ColdStart.rows((main, arguments) -> lines(1, main, arguments)));
    System.out.println();
    System.out.println("regime, case, threads, reached, goal, verdict, times (best of many)");
    rows.forEach(System.out::println);
    long met = rows.stream().filter(Row::met).count();
    System.out.println();
    System.out.println(met + " of " + rows.size() + " goals met");
  }

  private static List<Row> fork(int threads) throws IOException, InterruptedException {
    List<Row> rows = new ArrayList<>();
    for (String line : lines(threads, CpuRun.class)) {
      if (Row.isEncoded(line)) {
        rows.add(Row.decode(line));
      }
    }
    return rows;
  }

  /** Runs a class in a process of its own and prints what it says meanwhile. */
  private static List<String> lines(int threads, Class<?> main, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.add("-Dborealis.threads=" + threads);
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(main.getName());
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    List<String> lines = new ArrayList<>();
    try (BufferedReader output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        lines.add(line);
        System.out.println(Row.isEncoded(line) ? Row.decode(line) : threads + " threads: " + line);
      }
    }
    if (process.waitFor() != 0) {
      throw new IllegalStateException(
          main.getSimpleName() + " ended with exit status " + process.exitValue());
    }
    return lines;
  }

  /** Two threads against one, for every call that both processes timed. */
  private static List<Row> speedUps(List<Row> rows) {
    Map<String, Double> alone = new LinkedHashMap<>();
    List<Row> result = new ArrayList<>();
    for (Row row : rows) {
      String key = row.regime() + row.what();
      if (row.nanos() == 0) {
        continue;
      }
      if (row.threads() == 1) {
        alone.put(key, row.nanos());
      } else if (alone.containsKey(key)) {
        double ratio = alone.get(key) / row.nanos();
        boolean large = row.what().contains("n=512");
        result.add(
            new Row(
                "two threads over one", row.what(), 2, ratio, large ? SPEED_UP : 1, true, 0, ""));
      }
    }
    return result;
  }
}
