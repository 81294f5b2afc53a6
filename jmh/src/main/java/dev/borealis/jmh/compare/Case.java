package dev.borealis.jmh.compare;

import dev.borealis.jmh.Method;
import java.util.Locale;

/**
 * One line of the comparison.
 *
 * @param layer the shape
 * @param method kind of adapter
 * @param call what is timed
 * @param rank r
 * @param tokens n
 * @param threads of every contender
 */
public record Case(Layer layer, Method method, Call call, int rank, int tokens, int threads) {
  /** {@return arithmetic of the projections, or of the merge; what φ and AdamW add is left out} */
  public double flops() {
    double macs = (double) tokens * rank * (layer.inFeatures() + layer.outFeatures());
    return switch (call) {
      case FORWARD -> 2 * macs;
      case BACKWARD -> 4 * macs;
      case STEP -> 6 * macs;
      case MERGE -> 2.0 * rank * layer.weights();
    };
  }

  /**
   * {@return the least traffic of activations, or of the merged weights, in bytes: reads, and
   * updates counted twice}
   */
  public double bytes() {
    double in = 4.0 * tokens * layer.inFeatures();
    double out = 4.0 * tokens * layer.outFeatures();
    return switch (call) {
      case FORWARD -> in + 2 * out;
      case BACKWARD -> out + 3 * in;
      case STEP -> in + 2 * out + out + 3 * in;
      case MERGE -> 2 * 4.0 * layer.weights();
    };
  }

  /** {@return the name in reports and RATIO lines, without spaces} */
  public String id() {
    return "%s/%s/%dx%d/r%d/n%d/t%d"
        .formatted(
            call.name().toLowerCase(Locale.ROOT),
            method.name().toLowerCase(Locale.ROOT),
            layer.inFeatures(),
            layer.outFeatures(),
            rank,
            tokens,
            threads);
  }
}
