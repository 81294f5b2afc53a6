package dev.borealis.jmh.compare;

import java.util.List;
import java.util.Locale;

/** Results as text. */
public final class Lines {
  private Lines() {}

  /** {@return a case in one line} */
  static String of(Result result) {
    StringBuilder line = new StringBuilder(result.measured().id()).append(':');
    for (Timing timing : result.timings()) {
      if (timing.name().equals(Borealis.NAME)) {
        line.append(
            String.format(
                Locale.ROOT,
                " %.1f us, efficiency %.0f %%",
                timing.best() / 1e3,
                100 * result.efficiency(Borealis.NAME)));
      } else if (!Result.limits().contains(timing.name())) {
        line.append(
            String.format(Locale.ROOT, "; %s %.2fx", timing.name(), result.speedUp(timing.name())));
      }
    }
    result.notes().forEach(note -> line.append("; ").append(note));
    return line.toString();
  }

  /**
   * {@return lines {@code RATIO case/peer value}: time of the peer over ours, and {@code RATIO
   * case/efficiency value}; more is better for both}
   *
   * @param results of a run
   */
  public static String ratios(List<Result> results) {
    StringBuilder lines = new StringBuilder();
    for (Result result : results) {
      String id = result.measured().id();
      if (result.timing(Borealis.NAME).isEmpty()) {
        continue;
      }
      lines.append(ratio(id + "/efficiency", result.efficiency(Borealis.NAME)));
      for (Timing timing : result.timings()) {
        String name = timing.name();
        if (!name.equals(Borealis.NAME) && !Result.limits().contains(name)) {
          lines.append(ratio(id + "/" + name.replace(' ', '-'), result.speedUp(name)));
        }
      }
    }
    return lines.toString();
  }

  private static String ratio(String name, double value) {
    return String.format(Locale.ROOT, "RATIO %s %.4f%n", name, value);
  }
}
