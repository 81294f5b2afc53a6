package dev.borealis.jmh.compare;

import com.google.gson.Gson;
import dev.borealis.jmh.cpu.Affinity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Measures the cases of one number of threads in a process of its own, and prints a {@link Result}
 * a line for {@link Comparison}.
 */
final class CompareRun {
  static final String RESULT = "RESULT ";
  static final String START = "START ";
  static final String NOTE = "NOTE ";
  static final String END = "END";
  private static final Gson GSON = new Gson();

  private CompareRun() {}

  /**
   * Runs.
   *
   * @param args folder of shapes, choice, which of its cases, number of threads, first case,
   *     seconds that are left for the cases (0: as many as it takes)
   * @throws IOException if the shapes can't be read
   */
  public static void main(String[] args) throws IOException {
    Path shapes = Path.of(args[0]);
    Pattern only = Pattern.compile(args[2]);
    int threads = Integer.parseInt(args[3]);
    int first = Integer.parseInt(args[4]);
    double seconds = Double.parseDouble(args[5]);
    Plan plan = new Plan(Choice.valueOf(args[1]), seconds, only, shapes, shapes, List.of());
    long start = System.nanoTime();
    List<Contender> contenders =
        Contenders.open(threads, reason -> System.out.println(NOTE + reason));
    // Threads inherit the processors of who starts them: with helpers, nobody is pinned.
    if (threads > 1 || !Affinity.pin(0)) {
      System.out.println("caller not pinned");
    }
    List<Case> cases =
        plan.cases(Layer.read(shapes)).stream().filter(c -> c.threads() == threads).toList();
    try (Bench bench = new Bench(threads, contenders, Machine.lastLevelCache())) {
      for (int i = first; i < cases.size(); i++) {
        double left = seconds - (System.nanoTime() - start) / 1e9;
        if (seconds > 0 && left < 0) {
          // A busy machine: better a whole report of fewer cases than none.
          System.out.println(
              NOTE + threads + " threads: left out for want of time: " + (cases.size() - i));
          System.out.println(END);
          break;
        }
        System.out.println(START + i);
        double each = seconds == 0 ? SECONDS_WITHOUT_LIMIT : Math.max(0, left) / (cases.size() - i);
        Result result = bench.measure(cases.get(i), each);
        System.out.println(RESULT + GSON.toJson(result));
      }
    }
    // Libraries' threads must not keep the process alive.
    System.exit(0);
  }

  private static final double SECONDS_WITHOUT_LIMIT = 6;
}
