package dev.borealis.internal.cpu;

/**
 * How many rows a tile has, by what this machine's registers hold: 32 vectors, or 16 where vectors
 * have 8 lanes (AVX2). Accumulators, operands and, in {@link StreamTile}, the scalars must all fit.
 */
final class Tiles {
  private static final boolean FEW_REGISTERS = Species.LANES == 8;

  /** Rows of an {@link OuterTile}. */
  static final int OUTER_ROWS = 4;

  /** Vectors of an {@link OuterTile}. */
  static final int OUTER_VECTORS = FEW_REGISTERS ? 2 : 4;

  /** Rows of a {@link GemmTile}. */
  static final int GEMM_ROWS = 6;

  /** Vectors of a {@link GemmTile}. */
  static final int GEMM_VECTORS = FEW_REGISTERS ? 2 : 4;

  private static final int[] STREAM =
      FEW_REGISTERS ? new int[] {6, 3, 2, 2} : new int[] {6, 6, 6, 4, 4, 3, 3, 2};

  private static final int[] DOT =
      FEW_REGISTERS ? new int[] {8, 4, 3, 2} : new int[] {8, 8, 8, 6, 4, 4, 3, 3};

  /** Depth of the deepest {@link StreamTile}. */
  static final int STREAM_DEPTH = STREAM.length;

  /** Right rows of the widest {@link DotTile}. */
  static final int DOT_RIGHT = DOT.length;

  /** Accumulators of the largest {@link DotTile}. */
  static final int DOT_ACCUMULATORS = 24;

  private Tiles() {}

  /** {@return the rows of a {@link StreamTile} of a depth} */
  static int streamRows(int depth) {
    return STREAM[depth - 1];
  }

  /** {@return the left rows of a {@link DotTile} with some right rows} */
  static int dotRows(int right) {
    return DOT[right - 1];
  }
}
