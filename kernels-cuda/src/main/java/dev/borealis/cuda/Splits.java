package dev.borealis.cuda;

/**
 * How sums are divided among blocks: by the sizes of the call alone, so that the same call gives
 * the same bits on every device.
 */
final class Splits {
  /** Columns of a block of the kernel {@code backward_up}. */
  static final int BACKWARD_COLUMNS = 512;

  private static final int MAX_ROW_SPLITS = 16;
  private static final int MIN_ROWS = 256;
  private static final int FEW_TOKENS = 64;
  private static final int MANY_TOKENS = 2048;

  private Splits() {}

  static long ceil(long a, long b) {
    return (a + b - 1) / b;
  }

  /** Columns of X a block sums over: the fewer tokens, the more blocks have to share a token. */
  static int columns(long tokens) {
    return tokens <= FEW_TOKENS ? 256 : tokens < MANY_TOKENS ? 1024 : 8192;
  }

  /** Floats of the shares of Z, whatever the number of tokens up to the largest. */
  static long contractFloats(long maxTokens, long k, long ldZ) {
    long shares = 0;
    for (long tokens : new long[] {FEW_TOKENS, MANY_TOKENS - 1, maxTokens}) {
      long n = Math.min(tokens, maxTokens);
      shares = Math.max(shares, n * ceil(k, columns(n)));
    }
    return shares * ldZ;
  }

  /** Rows that a block sums over in the product `outer`, a multiple of 32. */
  static int rows(long n) {
    return Math.toIntExact(Packed.round(Math.max(MIN_ROWS, ceil(n, MAX_ROW_SPLITS)), 32));
  }

  static long rowSplits(long n) {
    return ceil(n, rows(n));
  }

  /** Floats of the shares of [r, k] over up to maxRows rows. */
  static long outerFloats(long maxRows, long r, long k) {
    return Math.min(MAX_ROW_SPLITS, ceil(maxRows, MIN_ROWS)) * Packed.round(r, 32) * Packed.ld(k);
  }
}
