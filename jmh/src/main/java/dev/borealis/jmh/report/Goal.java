package dev.borealis.jmh.report;

import dev.borealis.jmh.Method;
import dev.borealis.jmh.compare.Borealis;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Result;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;

/**
 * A goal of the project, and what a run says of it.
 *
 * @param what is wanted
 * @param reached in words
 * @param holds whether it is met
 */
record Goal(String what, String reached, boolean holds) {
  private static final List<Call> CALLS = List.of(Call.FORWARD, Call.BACKWARD);
  private static final int SMALL_RANK = 16;
  private static final int LARGE_RANK = 64;
  private static final String DJL = "DJL PyTorch";

  static List<Goal> of(Collection<Result> all) {
    List<Goal> goals = new ArrayList<>();
    for (Call call : CALLS) {
      String name = call.title();
      List<Result> small =
          select(all, r -> r.measured().call() == call && r.measured().rank() <= SMALL_RANK);
      double blas = Statistics.geomean(small, r -> Statistics.overBest(r, Statistics.BLAS));
      goals.add(
          new Goal(
              name
                  + ", r ≤ 16, geometric mean over all cases: at least 2.5 times as fast as the"
                  + " best BLAS-based peer",
              times(blas),
              blas >= 2.5));
      double djl = Statistics.geomean(small, r -> r.speedUp(DJL));
      goals.add(
          new Goal(
              name + ", r ≤ 16, geometric mean: at least 6 times as fast as DJL's libtorch",
              times(djl),
              djl >= 6));
    }
    List<String> peers = Statistics.peers(all);
    List<Result> slower = select(all, r -> Statistics.overBest(r, peers) < 1);
    double worst = Statistics.least(all, r -> Statistics.overBest(r, peers));
    goals.add(
        new Goal(
            "no case slower than any peer",
            slower.size() + " of " + all.size() + " cases slower, the worst at " + times(worst),
            slower.isEmpty() && !all.isEmpty()));
    goals.add(large(all, "LoRA", EnumSet.of(Method.LORA), 0.95));
    goals.add(large(all, "AuroRA and NoRA", EnumSet.of(Method.AURORA, Method.NORA), 1));
    double bytes = all.stream().mapToDouble(Result::allocated).max().orElse(Double.NaN);
    goals.add(
        new Goal(
            "no allocation",
            String.format(Locale.ROOT, "at most %.0f B a call", bytes),
            bytes == 0));
    return goals;
  }

  private static Goal large(
      Collection<Result> all, String name, Set<Method> methods, double bound) {
    List<Result> results =
        select(
            all,
            r ->
                r.measured().rank() >= LARGE_RANK
                    && methods.contains(r.measured().method())
                    && CALLS.contains(r.measured().call()));
    double mean = Statistics.geomean(results, r -> r.speedUp("MKL"));
    double least = Statistics.least(results, r -> r.speedUp("MKL"));
    return new Goal(
        name
            + ", forward and backward, r ≥ 64: "
            + (bound < 1 ? "within 0.95 of MKL's speed" : "ahead of MKL")
            + " in every case",
        "geometric mean " + times(mean) + ", least " + times(least),
        least >= bound);
  }

  private static List<Result> select(Collection<Result> all, Predicate<Result> wanted) {
    return all.stream().filter(r -> r.timing(Borealis.NAME).isPresent()).filter(wanted).toList();
  }

  static String times(double value) {
    return Double.isNaN(value) ? "not measured" : String.format(Locale.ROOT, "%.2f×", value);
  }
}
