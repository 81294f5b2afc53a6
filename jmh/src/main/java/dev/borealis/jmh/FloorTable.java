package dev.borealis.jmh;

import java.util.Collection;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.RunResult;

/** Each adapter call's time beside the {@link TrafficFloor} of its shape, measured in one run. */
final class FloorTable {
  private static final String FORMAT = "%-9s %-8s %-8s %5s %7s %9s %12s %10s %7s%n";

  private FloorTable() {}

  static String of(Collection<RunResult> results) {
    Map<String, Double> floors = new HashMap<>();
    for (RunResult result : results) {
      if (isFloor(result.getParams())) {
        floors.put(shape(result.getParams()), score(result));
      }
    }
    StringBuilder table = new StringBuilder(System.lineSeparator());
    table.append(
        String.format(
            Locale.ROOT,
            FORMAT,
            "call",
            "backend",
            "method",
            "rank",
            "tokens",
            "features",
            "us/op",
            "floor",
            "ratio"));
    for (RunResult result : results) {
      BenchmarkParams params = result.getParams();
      if (!isFloor(params)) {
        table.append(line(params, score(result), floors.get(shape(params))));
      }
    }
    return table.toString();
  }

  private static String line(BenchmarkParams params, double score, @Nullable Double floor) {
    return String.format(
        Locale.ROOT,
        FORMAT,
        call(params),
        params.getParam("backend"),
        params.getParam("method"),
        params.getParam("rank"),
        params.getParam("tokens"),
        params.getParam("features"),
        String.format(Locale.ROOT, "%.3f", score),
        floor == null ? "-" : String.format(Locale.ROOT, "%.3f", floor),
        floor == null ? "-" : String.format(Locale.ROOT, "%.1f", score / floor));
  }

  private static boolean isFloor(BenchmarkParams params) {
    return params.getBenchmark().contains("." + TrafficFloor.class.getSimpleName() + ".");
  }

  private static String shape(BenchmarkParams params) {
    return call(params) + " " + params.getParam("tokens") + " " + params.getParam("features");
  }

  /** The benchmark's method: forward or backward. */
  private static String call(BenchmarkParams params) {
    String name = params.getBenchmark();
    return name.substring(name.lastIndexOf('.') + 1);
  }

  private static double score(RunResult result) {
    return result.getPrimaryResult().getScore();
  }
}
