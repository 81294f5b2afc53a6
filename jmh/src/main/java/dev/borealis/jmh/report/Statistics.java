package dev.borealis.jmh.report;

import dev.borealis.jmh.compare.Borealis;
import dev.borealis.jmh.compare.Result;
import dev.borealis.jmh.compare.Timing;
import java.util.Collection;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Figures over several results. */
final class Statistics {
  /** Peers that are BLAS libraries. */
  static final List<String> BLAS = List.of("MKL", "OpenBLAS");

  private Statistics() {}

  /** {@return the geometric mean of what isn't NaN; NaN if all is} */
  static double geomean(Collection<Result> results, ToDoubleFunction<Result> value) {
    return Math.exp(
        results.stream()
            .mapToDouble(value)
            .filter(v -> !Double.isNaN(v))
            .map(Math::log)
            .average()
            .orElse(Double.NaN));
  }

  /** {@return the least of what isn't NaN; NaN if all is} */
  static double least(Collection<Result> results, ToDoubleFunction<Result> value) {
    return results.stream()
        .mapToDouble(value)
        .filter(v -> !Double.isNaN(v))
        .min()
        .orElse(Double.NaN);
  }

  /** {@return the speed-up over the fastest of some peers; NaN if none took part} */
  static double overBest(Result result, Collection<String> peers) {
    return peers.stream()
        .mapToDouble(result::speedUp)
        .filter(v -> !Double.isNaN(v))
        .min()
        .orElse(Double.NaN);
  }

  /** {@return the FMA peak of one thread in GFLOP/s, in the case where it was highest} */
  static double peak(Collection<Result> results) {
    return results.stream()
        .mapToDouble(r -> r.measured().flops() / r.best(Result.PEAK) / r.measured().threads())
        .filter(peak -> !Double.isNaN(peak))
        .max()
        .orElse(Double.NaN);
  }

  /** {@return the peers that took part, in order} */
  static List<String> peers(Collection<Result> results) {
    return results.stream()
        .flatMap(result -> result.timings().stream())
        .map(Timing::name)
        .filter(name -> !name.equals(Borealis.NAME) && !Result.limits().contains(name))
        .distinct()
        .toList();
  }
}
