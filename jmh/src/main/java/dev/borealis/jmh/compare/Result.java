package dev.borealis.jmh.compare;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What a case came to.
 *
 * @param measured the case
 * @param timings of all contenders that have the call, and of the limits
 * @param notes what went wrong
 */
public record Result(Case measured, List<Timing> timings, List<String> notes) {
  /** Name of the timing of the least traffic. */
  public static final String FLOOR = "traffic floor";

  /** Name of the timing that gives the FMA peak: nanoseconds for the flops of the case. */
  public static final String PEAK = "FMA peak";

  /** {@return the names of the limits} */
  public static List<String> limits() {
    return List.of(FLOOR, PEAK);
  }

  /**
   * {@return a contender's timing}
   *
   * @param name of the contender, or of a limit
   */
  public Optional<Timing> timing(String name) {
    return timings.stream().filter(timing -> timing.name().equals(name)).findFirst();
  }

  /**
   * {@return how many times as long as Borealis a contender takes, by their best rounds; NaN if one
   * of them is missing}
   *
   * @param peer the contender
   */
  public double speedUp(String peer) {
    return best(peer) / best(Borealis.NAME);
  }

  /**
   * {@return {@code max(floor, flops / peak) / time}, all of this run; NaN if not measured}
   *
   * @param name of the contender
   */
  public double efficiency(String name) {
    return Math.max(best(FLOOR), best(PEAK)) / best(name);
  }

  /** {@return bytes that Borealis allocated a call though it should allocate nothing} */
  public double allocated() {
    return measured.call().garbageFree()
        ? timing(Borealis.NAME).map(Timing::bytesPerCall).orElse(0.0)
        : 0;
  }

  /**
   * {@return nanoseconds in the best round; NaN if not measured}
   *
   * @param name of the contender, or of a limit
   */
  public double best(String name) {
    return timing(name).map(Timing::best).orElse(Double.NaN);
  }

  /**
   * {@return the quartiles of the speed-up over a peer, round by round}
   *
   * @param peer measured in this case
   */
  public double[] quartiles(String peer) {
    double[] theirs = timing(peer).orElseThrow().nanos();
    double[] ours = timing(Borealis.NAME).orElseThrow().nanos();
    double[] ratios = new double[Math.min(theirs.length, ours.length)];
    Arrays.setAll(ratios, i -> theirs[i] / ours[i]);
    Arrays.sort(ratios);
    int last = ratios.length - 1;
    return new double[] {ratios[last / 4], ratios[last / 2], ratios[last - last / 4]};
  }
}
