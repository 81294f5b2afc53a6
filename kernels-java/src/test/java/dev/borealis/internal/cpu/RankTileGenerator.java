package dev.borealis.internal.cpu;

/**
 * Writes the body of {@code RankTile}; its header is {@link TileGenerator}'s. Lanes are picked by
 * integer vectors: a {@code VectorShuffle} that outlives a loop becomes an object in each of its
 * turns (JDK 25).
 */
final class RankTileGenerator {
  /** Tile sizes: groups of columns × vectors of their rows. At most four chains of sums. */
  private static final int[][] SIZES = {{4, 1}, {2, 2}, {1, 1}, {1, 2}, {1, 3}, {1, 4}};

  private static final int UNROLLED_TOKENS = 4;

  private static final String ARGUMENTS =
      "MemorySegment x, long x0, long xs, MemorySegment w, long w0, MemorySegment i, long i0,"
          + " MemorySegment c, long c0, long cs, int tokens, int steps";

  private RankTileGenerator() {}

  static String members() {
    StringBuilder s = new StringBuilder();
    s.append(
        """

          private static final VectorSpecies<Integer> I = Species.I32;

          /** Vectors of w between two tokens, and the most vectors of a row that a tile takes. */
          static final int VECTORS = 4;

          private static final int W = VECTORS * V;

          /** Calls the method for a tile size. */
          static void run(int groups, int vectors, %s, boolean add) {
            switch (groups * 8 + vectors + (add ? 64 : 0)) {
        """
            .formatted(ARGUMENTS));
    for (int add = 0; add <= 1; add++) {
      for (int[] size : SIZES) {
        s.append(
            "      case %d -> %s%dx%d(x, x0, xs, w, w0, i, i0, c, c0, cs, tokens, steps);\n"
                .formatted(
                    size[0] * 8 + size[1] + add * 64, TileGenerator.PREFIX[add], size[0], size[1]));
      }
    }
    s.append(
        "      default -> throw new AssertionError(groups + \" x \" + vectors);\n    }\n  }\n");
    for (int add = 0; add <= 1; add++) {
      for (int[] size : SIZES) {
        tile(s, size[0], size[1], add == 1);
      }
    }
    return s.append("}\n").toString();
  }

  private static void tile(StringBuilder s, int groups, int vectors, boolean add) {
    s.append(
        "\n  private static void %s%dx%d(%s) {\n"
            .formatted(TileGenerator.PREFIX[add ? 1 : 0], groups, vectors, ARGUMENTS));
    s.append(TileGenerator.exact("x", "w", "i", "c"));
    for (int v = 0; v < vectors; v++) {
      s.append(
          "    IntVector s%d = IntVector.fromMemorySegment(I, i, i0%s, O);\n"
              .formatted(v, TileGenerator.plus(v)));
    }
    s.append("    for (int step = 0; step < steps; step++) {\n");
    for (int g = 0; g < groups; g++) {
      for (int v = 0; v < vectors; v++) {
        String start =
            add
                ? "FloatVector.fromMemorySegment(S, c, c0%s%s, O)"
                    .formatted(TileGenerator.times(g, "cs"), TileGenerator.plus(v))
                : "FloatVector.zero(S)";
        s.append("      FloatVector a%d%d = %s;\n".formatted(g, v, start));
      }
    }
    s.append("      long xt = x0;\n      int t = 0;\n");
    loop(s, groups, vectors, UNROLLED_TOKENS);
    loop(s, groups, vectors, 1);
    for (int g = 0; g < groups; g++) {
      for (int v = 0; v < vectors; v++) {
        s.append(
            "      a%d%d.intoMemorySegment(c, c0%s%s, O);\n"
                .formatted(g, v, TileGenerator.times(g, "cs"), TileGenerator.plus(v)));
      }
    }
    s.append("      x0 += %d * V;\n      c0 += %d * cs;\n    }\n  }\n".formatted(groups, groups));
  }

  private static void loop(StringBuilder s, int groups, int vectors, int tokens) {
    s.append("      for (; t + %d <= tokens; t += %d) {\n".formatted(tokens, tokens));
    for (int t = 0; t < tokens; t++) {
      for (int g = 0; g < groups; g++) {
        s.append(
            "        IntVector x%d%d = IntVector.fromMemorySegment(I, x, xt%s%s, O);\n"
                .formatted(t, g, TileGenerator.times(t, "xs"), TileGenerator.plus(g)));
      }
      for (int v = 0; v < vectors; v++) {
        s.append(
            "        FloatVector w%d%d = FloatVector.fromMemorySegment(S, w, w0 + t * W%s%s, O);\n"
                .formatted(t, v + 1, TileGenerator.times(t, "W"), TileGenerator.plus(v)));
        for (int g = 0; g < groups; g++) {
          s.append(
              "        a%d%d = s%d.selectFrom(x%d%d).reinterpretAsFloats().fma(w%d%d, a%d%d);\n"
                  .formatted(g, v, v, t, g, t, v + 1, g, v));
        }
      }
    }
    s.append("        xt += %s;\n      }\n".formatted(tokens == 1 ? "xs" : tokens + " * xs"));
  }
}
