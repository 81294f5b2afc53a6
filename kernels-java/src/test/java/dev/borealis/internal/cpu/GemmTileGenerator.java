package dev.borealis.internal.cpu;

/**
 * Writes {@code GemmTile} and {@code ColumnGemmTile}: one method a tile size, because accumulators
 * stay in registers only as local variables. Two classes, because a distance that C2 doesn't know
 * costs an addition, a check and a register for every operand: of L's two distances one is that of
 * neighbours, and P is as wide as the tile.
 */
final class GemmTileGenerator {
  /** The tallest tile: with four vectors it needs 24 accumulators, 4 vectors of P and a scalar. */
  static final int ROWS = 6;

  static final int VECTORS = 4;

  private GemmTileGenerator() {}

  /**
   * Returns the members of a class.
   *
   * @param inRows whether L's neighbours are those of a row, or those of a column
   */
  static String members(boolean inRows) {
    String stride = inRows ? "lm" : "lk";
    String arguments =
        "MemorySegment l, long l0, long %s, MemorySegment p, long p0,".formatted(stride)
            + " MemorySegment c, long c0, long cm, int depth";
    StringBuilder s = new StringBuilder();
    s.append("\n  /** Calls the method for a tile size. */\n");
    s.append("  static void run(int rows, int vectors, ").append(arguments).append(") {\n");
    s.append("    switch (rows * 8 + vectors) {\n");
    for (int m = 1; m <= ROWS; m++) {
      for (int v = 1; v <= VECTORS; v++) {
        s.append(
            "      case %d -> t%dx%d(l, l0, %s, p, p0, c, c0, cm, depth);\n"
                .formatted(m * 8 + v, m, v, stride));
      }
    }
    s.append("      default -> throw new AssertionError(rows + \" x \" + vectors);\n    }\n  }\n");
    for (int m = 1; m <= ROWS; m++) {
      for (int v = 1; v <= VECTORS; v++) {
        s.append("\n  private static void t%dx%d(%s) {\n".formatted(m, v, arguments));
        tile(s, m, v, inRows);
      }
    }
    return s.append("}\n").toString();
  }

  // C is only written. Adding to it here would need so many operations that C1 refuses the method
  // with its profiling but not without, and such a method can stay in C1's code for good.
  private static void tile(StringBuilder s, int rows, int vectors, boolean inRows) {
    s.append(TileGenerator.exact("l", "p", "c"));
    for (int m = 0; m < rows; m++) {
      for (int v = 0; v < vectors; v++) {
        s.append("    FloatVector a%d%d = FloatVector.zero(S);\n".formatted(m, v));
      }
    }
    for (int m = 0; m < rows && inRows; m++) {
      s.append("    long row%d = l0%s;\n".formatted(m, TileGenerator.times(m, "lm")));
    }
    s.append("    for (int k = 0; k < depth; k++) {\n");
    for (int v = 0; v < vectors; v++) {
      s.append(
          "      FloatVector v%d = FloatVector.fromMemorySegment(S, p, p0 + k * (%dL * V)%s, O);\n"
              .formatted(v, vectors, TileGenerator.plus(v)));
    }
    for (int m = 0; m < rows; m++) {
      String at = inRows ? "row%d + k * 4L".formatted(m) : m == 0 ? "l0" : "l0 + " + 4 * m;
      s.append(
          "      FloatVector x%d = FloatVector.broadcast(S, l.get(F, %s));\n".formatted(m, at));
      for (int v = 0; v < vectors; v++) {
        s.append("      a%d%d = x%d.fma(v%d, a%d%d);\n".formatted(m, v, m, v, m, v));
      }
    }
    s.append(inRows ? "    }\n" : "      l0 += lk;\n    }\n");
    for (int m = 0; m < rows; m++) {
      for (int v = 0; v < vectors; v++) {
        s.append(
            "    a%d%d.intoMemorySegment(c, c0%s%s, O);\n"
                .formatted(m, v, TileGenerator.times(m, "cm"), TileGenerator.plus(v)));
      }
    }
    s.append("  }\n");
  }
}
