package dev.borealis.jmh.compare;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.openjdk.jmh.runner.RunnerException;

/**
 * Runs {@link CompareRun} for each number of threads. A peer that takes its process down costs the
 * case it did that in, no more.
 */
public final class Comparison {
  private static final Gson GSON = new Gson();

  /** Kept for the cold starts of all contenders. */
  private static final double COLD_STARTS = 50;

  private final Plan plan;
  private final List<Case> cases;
  private final List<Result> results = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final long start = System.nanoTime();

  private Comparison(Plan plan) throws IOException {
    this.plan = plan;
    this.cases = plan.cases(Layer.read(plan.shapes()));
    if (cases.isEmpty()) {
      throw new IllegalArgumentException("no case has a name like " + plan.only());
    }
  }

  /**
   * Measures, printing a line a case.
   *
   * @param plan what to do
   * @return the results
   * @throws IOException if a process can't be started or a file not be read
   * @throws InterruptedException if interrupted while waiting
   */
  public static Run run(Plan plan) throws IOException, InterruptedException {
    String date = Instant.now().truncatedTo(ChronoUnit.MINUTES).toString();
    String commit = Machine.commit();
    Comparison comparison = new Comparison(plan);
    List<Limit> limits = comparison.limits();
    int processors = Runtime.getRuntime().availableProcessors();
    for (int threads : comparison.cases.stream().mapToInt(Case::threads).distinct().toArray()) {
      if (threads <= processors) {
        comparison.measure(threads);
      } else {
        comparison.note("Left out: %d threads on %d processors".formatted(threads, processors));
      }
    }
    return new Run(
        plan.choice().name().toLowerCase(Locale.ROOT),
        String.join(" ", plan.options()),
        Machine.processor(),
        Machine.jdk(),
        Machine.system(),
        commit,
        date,
        limits,
        comparison.results,
        plan.choice() == Choice.QUICK ? List.of() : comparison.coldStarts(),
        comparison.notes);
  }

  private List<Limit> limits() {
    try {
      List<Limit> limits =
          plan.choice() == Choice.QUICK
              ? Bandwidth.measure(Bandwidth.Pattern.FORWARD)
              : Bandwidth.measure(Bandwidth.Pattern.values());
      limits.forEach(limit ->
          System.out.printf(
              Locale.ROOT,
              "%s, %s: %.0f GB/s%n",
              limit.level().title(),
              limit.pattern().title(),
              limit.rate()));
      return limits;
    } catch (RunnerException e) {
      note("The traffic floors by level are missing: " + e.getMessage());
      return List.of();
    }
  }

  private void note(String note) {
    if (!notes.contains(note)) {
      notes.add(note);
      System.out.println(note);
    }
  }

  private void measure(int threads) throws IOException, InterruptedException {
    List<Case> own = cases.stream().filter(c -> c.threads() == threads).toList();
    int next = 0;
    while (next < own.size()) {
      next = process(threads, own, next);
    }
  }

  /** Measures in one process; returns the first case that it hasn't begun. */
  private int process(int threads, List<Case> own, int first)
      throws IOException, InterruptedException {
    Process process =
        start(
            threads,
            CompareRun.class,
            plan.shapes().toString(),
            plan.choice().name(),
            plan.only().pattern(),
            Integer.toString(threads),
            Integer.toString(first),
            Double.toString(secondsFor(own.size() - first)));
    int begun = first - 1;
    int done = first - 1;
    try (BufferedReader output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        if (line.startsWith(CompareRun.START)) {
          begun = Integer.parseInt(line.substring(CompareRun.START.length()));
        } else if (line.startsWith(CompareRun.RESULT)) {
          Result result = GSON.fromJson(line.substring(CompareRun.RESULT.length()), Result.class);
          results.add(result);
          done = begun;
          System.out.println(progress() + " " + Lines.of(result));
        } else if (line.equals(CompareRun.END)) {
          done = own.size() - 1;
        } else if (line.startsWith(CompareRun.NOTE)) {
          note(line.substring(CompareRun.NOTE.length()));
        } else {
          System.out.println(threads + " threads: " + line);
        }
      }
    }
    int status = process.waitFor();
    if (done == own.size() - 1) {
      return own.size();
    }
    if (begun < first) {
      throw new IOException("measuring could not begin; exit status " + status);
    }
    note("The process ended with status " + status + " in " + own.get(begun).id());
    return begun + 1;
  }

  private double secondsFor(int casesOfProcess) {
    int left = cases.size() - results.size();
    double reserve = plan.choice() == Choice.QUICK ? 0 : COLD_STARTS;
    double seconds = plan.seconds() - reserve - (System.nanoTime() - start) / 1e9;
    return plan.seconds() == 0 ? 0 : Math.max(1, seconds * casesOfProcess / left);
  }

  private List<ColdStart> coldStarts() throws IOException, InterruptedException {
    List<ColdStart> coldStarts = new ArrayList<>();
    for (ContenderProvider provider : Contenders.providers()) {
      Process process = start(1, ColdStartRun.class, provider.name());
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      process.waitFor();
      output
          .lines()
          .filter(line -> line.startsWith(CompareRun.RESULT))
          .map(line -> line.substring(CompareRun.RESULT.length()))
          .forEach(json -> coldStarts.add(GSON.fromJson(json, ColdStart.class)));
    }
    return coldStarts;
  }

  private static Process start(int threads, Class<?> main, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of(
            "-Dborealis.threads=" + threads,
            "-Dai.djl.offline=true",
            "-Dai.djl.pytorch.num_threads=" + threads,
            "-Dai.djl.pytorch.num_interop_threads=1",
            "-cp",
            System.getProperty("java.class.path"),
            main.getName()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    // Threads of a library sleep soon after its call, so as not to spin into what is measured next.
    builder
        .environment()
        .putAll(
            Map.of(
                "OMP_NUM_THREADS", Integer.toString(threads),
                "KMP_BLOCKTIME", "1",
                "GOMP_SPINCOUNT", "100000",
                "OPENBLAS_THREAD_TIMEOUT", "20"));
    return builder.start();
  }

  private String progress() {
    double elapsed = (System.nanoTime() - start) / 1e9;
    int done = results.size();
    double left =
        plan.seconds() == 0
            ? elapsed / done * (cases.size() - done)
            : Math.max(0, plan.seconds() - elapsed);
    return String.format(
        Locale.ROOT, "[%d/%d, %d:%02d left]", done, cases.size(), (int) left / 60, (int) left % 60);
  }
}
