package dev.borealis.jmh.report;

import com.google.gson.Gson;
import dev.borealis.jmh.compare.Choice;
import dev.borealis.jmh.compare.Comparison;
import dev.borealis.jmh.compare.Lines;
import dev.borealis.jmh.compare.Plan;
import dev.borealis.jmh.compare.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The comparison with the peers, from the measurement to the report. */
public final class CompareBench {
  /** What {@link #run} takes. */
  public static final List<String> MODES = List.of("quick", "peers", "full", "report");

  private static final Path MODULE = Path.of(System.getProperty("borealis.jmh", "jmh"));
  private static final Path OUTPUT = MODULE.resolve("target/bench");
  private static final String RUN = "run.json";

  private CompareBench() {}

  /**
   * Measures, writes {@code jmh/target/bench/run.json} and, in JMH's format, {@code jmh.json},
   * writes the report to {@code docs}, and prints RATIO lines. All that {@code quick} writes goes
   * to {@code jmh/target/bench/quick}.
   *
   * @param mode one of {@link #MODES}
   * @param options each as in {@link Plan#OPTIONS}
   * @throws IOException if a process can't be started or a file not be read or written
   * @throws InterruptedException if interrupted while waiting
   * @throws IllegalStateException at the end, if a contender computed something else than the
   *     oracle or Borealis allocated
   */
  public static void run(String mode, List<String> options)
      throws IOException, InterruptedException {
    Run run;
    Plan plan;
    if (mode.equals("report")) {
      run = new Gson().fromJson(Files.readString(OUTPUT.resolve(RUN)), Run.class);
      plan = plan(run.mode(), options);
    } else {
      plan = plan(mode, options);
      run = Comparison.run(plan);
      Path output = output(mode);
      Files.createDirectories(output);
      Files.writeString(output.resolve(RUN), new Gson().toJson(run));
      Files.writeString(output.resolve("jmh.json"), JmhJson.of(run));
    }
    System.out.println("Report: " + Report.write(run, plan.docs()));
    System.out.println();
    for (Goal goal : Goal.of(run.results())) {
      System.out.println(
          (goal.holds() ? "holds: " : "doesn't hold: ") + goal.what() + ": " + goal.reached());
    }
    System.out.println();
    System.out.print(Lines.ratios(run.results()));
    check(run);
  }

  private static boolean isQuick(String mode) {
    return mode.equals("quick");
  }

  private static Path output(String mode) {
    return isQuick(mode) ? OUTPUT.resolve(mode) : OUTPUT;
  }

  private static Plan plan(String mode, List<String> options) {
    Path docs = isQuick(mode) ? output(mode) : MODULE.resolveSibling("docs");
    Choice choice = Choice.valueOf(mode.toUpperCase(Locale.ROOT));
    return Plan.of(choice, MODULE.resolve("shapes"), docs, options);
  }

  private static void check(Run run) {
    StringBuilder wrong = new StringBuilder();
    run.results()
        .forEach(result -> {
          String id = result.measured().id();
          result.notes().forEach(note -> wrong.append(id).append(": ").append(note).append('\n'));
          if (result.allocated() > 0) {
            wrong
                .append(id)
                .append(": allocates ")
                .append(result.allocated())
                .append(" B a call\n");
          }
        });
    if (!wrong.isEmpty()) {
      throw new IllegalStateException("the report is written, but:\n" + wrong);
    }
  }
}
