package dev.borealis.internal.cpu;

/**
 * Writes {@code GemmTile}: one method a tile size, because accumulators stay in registers only as
 * local variables.
 */
final class GemmTileGenerator {
  /** The tallest tile: with four vectors it needs 24 accumulators, 4 vectors of P and a scalar. */
  static final int ROWS = 6;

  static final int VECTORS = 4;

  private static final String ARGUMENTS =
      "MemorySegment l, long l0, long lm, long lk, MemorySegment p, long p0, long pk,"
          + " MemorySegment c, long c0, long cm, int depth";

  private GemmTileGenerator() {}

  /** Returns the members of the class. */
  static String members() {
    StringBuilder s = new StringBuilder();
    s.append("\n  /** Calls the method for a tile size. */\n");
    s.append("  static void run(int rows, int vectors, ").append(ARGUMENTS).append(") {\n");
    s.append("    switch (rows * 8 + vectors) {\n");
    for (int m = 1; m <= ROWS; m++) {
      for (int v = 1; v <= VECTORS; v++) {
        s.append(
            "      case %d -> t%dx%d(l, l0, lm, lk, p, p0, pk, c, c0, cm, depth);\n"
                .formatted(m * 8 + v, m, v));
      }
    }
    s.append("      default -> throw new AssertionError(rows + \" x \" + vectors);\n    }\n  }\n");
    for (int m = 1; m <= ROWS; m++) {
      for (int v = 1; v <= VECTORS; v++) {
        tile(s, m, v);
      }
    }
    return s.append("}\n").toString();
  }

  // C is only written. Adding to it here would need so many operations that C1 refuses the method
  // with its profiling but not without, and such a method can stay in C1's code for good.
  private static void tile(StringBuilder s, int rows, int vectors) {
    s.append("\n  private static void t%dx%d(%s) {\n".formatted(rows, vectors, ARGUMENTS));
    for (int m = 0; m < rows; m++) {
      for (int v = 0; v < vectors; v++) {
        s.append("    FloatVector a%d%d = FloatVector.zero(S);\n".formatted(m, v));
      }
    }
    for (int m = 0; m < rows; m++) {
      s.append("    long row%d = l0%s;\n".formatted(m, TileGenerator.times(m, "lm")));
    }
    s.append("    for (int k = 0; k < depth; k++) {\n");
    for (int v = 0; v < vectors; v++) {
      s.append(
          "      FloatVector v%d = FloatVector.fromMemorySegment(S, p, p0%s, O);\n"
              .formatted(v, TileGenerator.plus(v)));
    }
    for (int m = 0; m < rows; m++) {
      s.append(
          "      FloatVector x%d = FloatVector.broadcast(S, l.get(F, row%d));\n".formatted(m, m));
      for (int v = 0; v < vectors; v++) {
        s.append("      a%d%d = x%d.fma(v%d, a%d%d);\n".formatted(m, v, m, v, m, v));
      }
      s.append("      row%d += lk;\n".formatted(m));
    }
    s.append("      p0 += pk;\n    }\n");
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
