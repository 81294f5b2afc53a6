package dev.borealis.cuda;

/**
 * How sums are divided among blocks: by the sizes of the call alone, so that the same call gives
 * the same bits on every device.
 */
final class Splits {
  /** Tokens from which the kernel {@code contract_tall} makes the shares. */
  static final int TALL_TOKENS = 1024;

  /** Columns a block sums over for fewer tokens. */
  static final int SHORT_COLUMNS = 256;

  /** Tokens and ranks of a block of the kernel {@code contract_tall}. */
  static final int TALL_ROWS = 128;

  static final int TALL_RANKS = 64;

  /** Columns of a block of the kernel {@code outer}. */
  static final int OUTER_COLUMNS = 512;

  /** Blocks that fill a large device twice. */
  private static final int BLOCKS = 256;

  private static final int MAX_ROW_SPLITS = 32;
  private static final int MIN_ROWS = 32;

  private Splits() {}

  static long ceil(long a, long b) {
    return (a + b - 1) / b;
  }

  /** Whether so many tokens are shared out by the kernel {@code contract_tall}. */
  static boolean isTall(long tokens) {
    return tokens >= TALL_TOKENS;
  }

  /** Columns a block sums over in the product `contract`: a multiple of 32. */
  static int columns(long tokens, long k, long r) {
    if (!isTall(tokens)) {
      return SHORT_COLUMNS;
    }
    long tiles = ceil(tokens, TALL_ROWS) * ceil(r, TALL_RANKS);
    return Math.toIntExact(Packed.round(ceil(k, Math.max(1, BLOCKS / tiles)), 32));
  }

  /** Floats of the shares of [n, ld] over k columns, for any n up to the largest. */
  static long contractFloats(long maxTokens, long k, long ld) {
    long few = Math.min(maxTokens, TALL_TOKENS - 1) * ceil(k, SHORT_COLUMNS);
    // With fewer row tiles than blocks there are as many shares as make up for it.
    long many = isTall(maxTokens) ? Math.max(maxTokens, (long) BLOCKS * TALL_ROWS) : 0;
    return Math.max(few, many) * ld;
  }

  /** Rows that a block sums over in the product `outer`, a multiple of 32. */
  static int rows(long n, long r, long k) {
    long rows = ceil(n, mostRowSplits(r, k));
    return Math.toIntExact(Packed.round(Math.max(MIN_ROWS, rows), MIN_ROWS));
  }

  static long rowSplits(long n, long r, long k) {
    return ceil(n, rows(n, r, k));
  }

  private static long mostRowSplits(long r, long k) {
    long tiles = ceil(k, OUTER_COLUMNS) * ceil(r, r <= 16 ? 16 : 32);
    return Math.clamp(BLOCKS / tiles, 1, MAX_ROW_SPLITS);
  }

  /** Floats of the shares of [r, k], its rows padded, over any number of rows up to the largest. */
  static long outerFloats(long maxRows, long r, long k) {
    return columnFloats(maxRows, r, k) * Packed.round(r, 32);
  }

  /** The same of the sums of columns that the product makes beside it. */
  static long columnFloats(long maxRows, long r, long k) {
    return Math.min(mostRowSplits(r, k), ceil(maxRows, MIN_ROWS)) * Packed.ld(k);
  }
}
