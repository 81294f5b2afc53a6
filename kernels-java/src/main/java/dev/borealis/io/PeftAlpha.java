package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import java.util.Collection;

/**
 * α for a given scale, such that the scale comes back to the bit: {@code s = α/r} or {@code α/√r}.
 */
final class PeftAlpha {
  private PeftAlpha() {}

  /**
   * {@return an integer where one gives the scale, or else {@code s·r}, which is exact in fp64}
   *
   * @param spec for scale and rank
   * @param rankStabilised whether {@code s = α/√r}; to be chosen by {@link #wantsRankStabilised}
   */
  static Number of(AdapterSpec spec, boolean rankStabilised) {
    double divisor = rankStabilised ? Math.sqrt(spec.rank()) : spec.rank();
    double nearest = Math.rint(spec.scale() * divisor);
    boolean integer = Float.compare((float) (nearest / divisor), spec.scale()) == 0;
    if (integer && Math.abs(nearest) < 1L << 53 && (nearest != 0 || 1 / nearest > 0)) {
      return (long) nearest;
    }
    return spec.scale() * divisor;
  }

  /** Tells whether all alphas are integers with {@code α/√r} and not with {@code α/r}. */
  static boolean wantsRankStabilised(Collection<AdapterSpec> specs) {
    return !integers(specs, false) && integers(specs, true);
  }

  private static boolean integers(Collection<AdapterSpec> specs, boolean rankStabilised) {
    return specs.stream().allMatch(spec -> of(spec, rankStabilised) instanceof Long);
  }
}
