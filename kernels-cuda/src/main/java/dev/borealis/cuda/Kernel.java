package dev.borealis.cuda;

import dev.borealis.tensor.DType;
import java.util.Locale;

/** The kernels of borealis.cu; {@code docs/CUDA.md} has the contract of each. */
enum Kernel {
  FORWARD_16(true),
  FORWARD_32(true),
  UP(true),
  DECODE(true),
  CONTRACT(true),
  CONTRACT_TALL(true),
  EXPAND(true),
  OUTER_16(true),
  OUTER_32(true),
  PACK(true),
  WIDEN(true),
  MERGE_ADD(true),
  FINGERPRINT(true),
  BATCH_CONTRACT(true),
  BATCH_EXPAND(true),
  BATCH_PHI(false),
  OUTER_SPLINE(false),
  PHI_FORWARD(false),
  PHI_BACKWARD(false),
  COLUMN_SUMS(false),
  REDUCE(false),
  GAIN_GRADIENT(false),
  ADAMW(false),
  MERGE_PRODUCT(false),
  MERGE_PHI(false),
  MERGE_CENTRE(false);

  /** Threads of a block, of every kernel. */
  static final int THREADS = 256;

  /** Whether there is one kernel for each type. */
  final boolean typed;

  Kernel(boolean typed) {
    this.typed = typed;
  }

  /**
   * Returns the name in the module: borealis_what, borealis_what_type or borealis_what_type_tile.
   */
  String symbol(DType type) {
    String name = name().toLowerCase(Locale.ROOT);
    if (!typed) {
      return "borealis_" + name;
    }
    String typeName = type.name().toLowerCase(Locale.ROOT);
    int tile = name.length() - 3;
    boolean tiled =
        tile > 0 && name.charAt(tile) == '_' && Character.isDigit(name.charAt(tile + 1));
    return tiled
        ? "borealis_" + name.substring(0, tile) + "_" + typeName + name.substring(tile)
        : "borealis_" + name + "_" + typeName;
  }
}
