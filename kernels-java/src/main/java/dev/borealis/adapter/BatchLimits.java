package dev.borealis.adapter;

/**
 * The largest calls over several adapters that memory is set aside for. On a device that is, a row,
 * up to {@code 8·maxRank·(1 + ⌈maxInFeatures/256⌉)} bytes.
 *
 * @param maxRows of a call, ≥ 0
 * @param maxAdapters of a call, ≥ 0
 * @param maxInFeatures largest d_in of an adapter, ≥ 1
 * @param maxRank largest rank of an adapter, ≥ 1
 */
public record BatchLimits(int maxRows, int maxAdapters, int maxInFeatures, int maxRank) {
  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if one is too small
   */
  public BatchLimits {
    require("maxRows", maxRows, 0);
    require("maxAdapters", maxAdapters, 0);
    require("maxInFeatures", maxInFeatures, 1);
    require("maxRank", maxRank, 1);
  }

  private static void require(String name, int number, int least) {
    if (number < least) {
      throw new IllegalArgumentException(
          name + ": expected at least " + least + ", came " + number);
    }
  }
}
