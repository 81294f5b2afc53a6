package dev.borealis.internal.dropout;

/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011): ten rounds turn a 128-bit counter into four 32-bit words.
 * Stateless, so any element of a mask can be drawn on its own, in any order, on any thread.
 */
public final class Philox {
  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_1 = 0xCD9E8D57L;
  private static final int KEY_STEP_0 = 0x9E3779B9;
  private static final int KEY_STEP_1 = 0xBB67AE85;

  private Philox() {}

  /**
   * Compares the four words of one counter with a threshold. Bits instead of words, because the
   * four fit into the return value: nothing is allocated.
   *
   * @param low counter words 0 (lower half) and 1 (upper half)
   * @param high2 counter word 2
   * @param high3 counter word 3
   * @param seed key words 0 (lower half) and 1 (upper half)
   * @param threshold unsigned
   * @return bit i is set where output word i ≥ threshold, unsigned; i from 0 to 3
   */
  public static int atLeast(long low, int high2, int high3, long seed, int threshold) {
    int c0 = (int) low;
    int c1 = (int) (low >>> 32);
    int c2 = high2;
    int c3 = high3;
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = MULTIPLIER_0 * Integer.toUnsignedLong(c0);
      long product1 = MULTIPLIER_1 * Integer.toUnsignedLong(c2);
      c0 = (int) (product1 >>> 32) ^ c1 ^ k0;
      c1 = (int) product1;
      c2 = (int) (product0 >>> 32) ^ c3 ^ k1;
      c3 = (int) product0;
      k0 += KEY_STEP_0;
      k1 += KEY_STEP_1;
    }
    return bit(c0, threshold)
        | bit(c1, threshold) << 1
        | bit(c2, threshold) << 2
        | bit(c3, threshold) << 3;
  }

  private static int bit(int word, int threshold) {
    return Integer.compareUnsigned(word, threshold) >= 0 ? 1 : 0;
  }
}
