package dev.borealis.jmh.report;

import com.google.gson.GsonBuilder;
import dev.borealis.jmh.compare.Case;
import dev.borealis.jmh.compare.Result;
import dev.borealis.jmh.compare.Run;
import dev.borealis.jmh.compare.Timing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Results in the format of JMH's own JSON, for the viewers that read it. */
public final class JmhJson {
  private JmhJson() {}

  /**
   * {@return the text}
   *
   * @param run the results
   */
  public static String of(Run run) {
    List<Map<String, Object>> entries = new ArrayList<>();
    for (Result result : run.results()) {
      for (Timing timing : result.timings()) {
        entries.add(entry(run, result.measured(), timing));
      }
    }
    return new GsonBuilder().setPrettyPrinting().create().toJson(entries);
  }

  private static Map<String, Object> entry(Run run, Case c, Timing timing) {
    return Map.of(
        "jmhVersion",
        "1.37",
        "benchmark",
        "dev.borealis." + c.call().name().toLowerCase(Locale.ROOT),
        "mode",
        "avgt",
        "threads",
        1,
        "forks",
        1,
        "vmName",
        run.jdk(),
        "params",
        Map.of(
            "contender", timing.name(),
            "method", c.method().name(),
            "layer", c.layer().inFeatures() + "x" + c.layer().outFeatures(),
            "rank", Integer.toString(c.rank()),
            "tokens", Integer.toString(c.tokens()),
            "libraryThreads", Integer.toString(c.threads())),
        "primaryMetric",
        metric(timing.nanos(), "ns/op"),
        "secondaryMetrics",
        Map.of("gc.alloc.rate.norm", metric(new double[] {timing.bytesPerCall()}, "B/op")));
  }

  private static Map<String, Object> metric(double[] values, String unit) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double mean = Arrays.stream(values).average().orElseThrow();
    double variance =
        Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum()
            / Math.max(1, values.length - 1);
    return Map.of(
        "score",
        mean,
        "scoreError",
        Math.sqrt(variance / values.length),
        "scoreConfidence",
        new double[] {
          mean - Math.sqrt(variance / values.length), mean + Math.sqrt(variance / values.length)
        },
        "scorePercentiles",
        Map.of(
            "0.0", sorted[0],
            "50.0", sorted[sorted.length / 2],
            "100.0", sorted[sorted.length - 1]),
        "scoreUnit",
        unit,
        "rawData",
        new double[][] {values});
  }
}
