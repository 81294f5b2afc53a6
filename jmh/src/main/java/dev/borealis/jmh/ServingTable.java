package dev.borealis.jmh;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.RunResult;

/**
 * The results of {@link ServingBenchmark}: each call beside what it can't be faster than, both by
 * their fastest iteration, which other work on the machine disturbs least.
 */
final class ServingTable {
  private ServingTable() {}

  static String of(Collection<RunResult> results) {
    Map<String, Map<String, Double>> byShape = new TreeMap<>();
    for (RunResult result : results) {
      BenchmarkParams params = result.getParams();
      String name = params.getBenchmark();
      if (name.contains("." + ServingBenchmark.class.getSimpleName() + ".")) {
        String shape =
            "%s %s, %s rows, r = %s, d = %s"
                .formatted(
                    params.getParam("backend"),
                    params.getParam("method"),
                    params.getParam("rows"),
                    params.getParam("rank"),
                    params.getParam("features"));
        byShape
            .computeIfAbsent(shape, key -> new TreeMap<>())
            .put(
                name.substring(name.lastIndexOf('.') + 1),
                result.getPrimaryResult().getStatistics().getMin());
      }
    }
    StringBuilder table = new StringBuilder();
    byShape.forEach((shape, times) -> {
      table.append(System.lineSeparator()).append(shape).append(System.lineSeparator());
      line(table, "an adapter a row, floor: reading all A and B", times, "each", "eachFloor");
      line(table, "one adapter, floor: the plain call", times, "one", "onePlain");
      line(table, "no adapter", times, "none", "");
    });
    return table.toString();
  }

  private static void line(
      StringBuilder table, String what, Map<String, Double> times, String call, String floor) {
    Double time = times.get(call);
    Double least = times.get(floor);
    if (time != null) {
      table.append(String.format(Locale.ROOT, "  %-46s %10.3f us/op", what, time));
      if (least != null) {
        table.append(String.format(Locale.ROOT, ", floor %10.3f, ratio %.2f", least, time / least));
      }
      table.append(System.lineSeparator());
    }
  }
}
