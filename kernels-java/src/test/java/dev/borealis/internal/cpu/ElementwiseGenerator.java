package dev.borealis.internal.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Writes {@code Elementwise}: a loop for each function, every operation written out. Not helper
 * methods, because what C2 can inline is limited: where a loop is inlined into its caller, and that
 * into others, the limit is reached in the middle of a formula, and from there on every vector is
 * an object. Written out, a loop is too large to be inlined anywhere, and is compiled alone.
 *
 * <p>A loop does two vectors at a time where that is short enough for C1, so that one's chain of
 * operations fills the other's latencies. An odd last vector is done twice, at the same place:
 * harmless, as both are loaded before either is stored.
 */
final class ElementwiseGenerator {
  static final String PATH = "dev/borealis/internal/cpu/Elementwise.java";

  /** The lines of one formula; each names its result. */
  private static final class Formula {
    private final String suffix;
    private final List<String> lines = new ArrayList<>();

    Formula(int copy) {
      this.suffix = Integer.toString(copy);
    }

    String floats(String name, String expression) {
      return let("FloatVector", name, expression);
    }

    String ints(String name, String expression) {
      return let("IntVector", name, expression);
    }

    private String let(String type, String name, String expression) {
      String variable = name + lines.size() + "_" + suffix;
      lines.add(type + " " + variable + " = " + expression + ";");
      return variable;
    }

    /** {@code ((c[0]·x + c[1])·x + …)} as nested FMAs. */
    String polynomial(String x, String... constants) {
      String sum = constants[0];
      for (int i = 1; i < constants.length; i++) {
        sum = floats("p", "%s.fma(%s, %s)".formatted(sum, x, constants[i]));
      }
      return sum;
    }

    String blend(String otherwise, String value, String comparison) {
      return floats("b", "%s.blend(%s, %s)".formatted(otherwise, value, comparison));
    }

    /** exp(x) / 2^n, from the bias that rounds x / ln 2 to n. */
    private String expReduced(String x, String rounded, String bias) {
      String n = floats("n", rounded + ".sub(" + bias + ")");
      String high = floats("h", n + ".fma(MINUS_LN2_HIGH, " + x + ")");
      String r = floats("r", n + ".fma(MINUS_LN2_LOW, " + high + ")");
      return polynomial(r, "E6", "E5", "E4", "E3", "E2", "ONE", "ONE");
    }

    /** e to the power x for x in [-87, 88] or NaN; anything else gives garbage. */
    String expOfNormalResult(String x) {
      String rounded = floats("k", x + ".fma(LOG2_E, ROUND_BIASED)");
      String p = expReduced(x, rounded, "ROUND_BIASED");
      String power = ints("e", rounded + ".reinterpretAsInts().lanewise(LSHL, 23)");
      return floats("x", p + ".mul(" + power + ".reinterpretAsFloats())");
    }

    /** e to the power x for x in [-105, 89] or NaN; anything else gives garbage. */
    String expInRange(String x) {
      String rounded = floats("k", x + ".fma(LOG2_E, ROUND_TWICE_BIASED)");
      String p = expReduced(x, rounded, "ROUND_TWICE_BIASED");
      // 2^n in two factors, because n may be 128 or below -126. The bits hold n + 254; half of that
      // is one biased exponent, what remains is the other.
      String exponent = ints("e", rounded + ".reinterpretAsInts()");
      String first = ints("f", exponent + ".lanewise(LSHR, 1).lanewise(LSHL, 23)");
      String second = ints("s", exponent + ".lanewise(LSHL, 23).sub(" + first + ")");
      String half = floats("m", p + ".mul(" + first + ".reinterpretAsFloats())");
      return floats("x", half + ".mul(" + second + ".reinterpretAsFloats())");
    }

    String exp(String x) {
      String low = blend(x, "EXP_HIGHEST", x + ".compare(GT, EXP_HIGHEST)");
      return expInRange(blend(low, "EXP_LOWEST", low + ".compare(LT, EXP_LOWEST)"));
    }

    /** e to the power x for x ≤ 0 or NaN. */
    String expOfNegative(String x) {
      return expInRange(blend(x, "EXP_LOWEST", x + ".compare(LT, EXP_LOWEST)"));
    }

    /** expm1(r) for |r| ≤ ln 2 / 2. */
    String expm1Reduced(String r) {
      String p = polynomial(r, "M6", "M5", "M4", "M3", "M2");
      return floats("q", r + ".mul(" + r + ").fma(" + p + ", " + r + ")");
    }

    /** |value| with the sign of {@code sign}; for NaN too. */
    String withSignOf(String value, String sign) {
      String bits = ints("i", sign + ".reinterpretAsInts().and(SIGN_BIT)");
      String magnitude = ints("i", value + ".reinterpretAsInts().and(MAGNITUDE_BITS)");
      return floats("w", magnitude + ".or(" + bits + ").reinterpretAsFloats()");
    }

    String tanh(String x) {
      // With E = exp(-2|x|) = 2^n·(1 + q):  tanh|x| = ((1 - E) / 2) / ((1 + E) / 2), both of them
      // an FMA of g = 2^(n-1) and q, so that nothing cancels near 0 and n = 0 is exact.
      String magnitude = floats("a", x + ".abs()");
      String minusTwice = floats("t", magnitude + ".mul(MINUS_TWO)");
      String rounded = floats("k", minusTwice + ".fma(LOG2_E, ROUND_BIASED_HALVED)");
      String n = floats("n", rounded + ".sub(ROUND_BIASED_HALVED)");
      String q = expm1Reduced(floats("r", n + ".fma(MINUS_LN2, " + minusTwice + ")"));
      String g =
          floats("g", rounded + ".reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats()");
      String above = floats("u", g + ".fma(" + q + ", " + g + ".sub(HALF))");
      String below = floats("d", g + ".fma(" + q + ", " + g + ".add(HALF))");
      String quotient = floats("o", above + ".div(" + below + ")");
      return withSignOf(blend(quotient, "ONE", magnitude + ".compare(GE, TANH_ONE)"), x);
    }

    /**
     * The smaller of sigmoid(x) and sigmoid(-x), that is sigmoid(-|x|), accurate down to the
     * subnormal numbers. The larger one is 1 minus this, and the slope of the sigmoid is their
     * product.
     */
    String sigmoidTail(String x) {
      String e = expOfNegative(floats("a", x + ".abs().neg()"));
      // One correction step, q ← e·(1 - q): an error of q shrinks by the factor e ≤ 1.
      String q = floats("q", e + ".div(" + e + ".add(ONE))");
      return floats("t", e + ".neg().fma(" + q + ", " + e + ")");
    }

    String sigmoidFromTail(String x, String tail) {
      String other = floats("o", "ONE.sub(" + tail + ")");
      return blend(other, tail, x + ".compare(LT, ZERO)");
    }

    String sigmoid(String x) {
      return sigmoidFromTail(x, sigmoidTail(x));
    }

    /** x·(L0 + L1·x + …), which is ln erfc(x), for 0 ≤ x ≤ 3.93. */
    String logErfc(String x) {
      String p = polynomial(x, "L7", "L6", "L5", "L4", "L3", "L2", "L1", "L0");
      return floats("v", p + ".mul(" + x + ")");
    }

    String erf(String x) {
      String magnitude = floats("a", x + ".abs()");
      String v = logErfc(magnitude);
      String rounded = floats("k", v + ".fma(LOG2_E, ROUND_BIASED)");
      String n = floats("n", rounded + ".sub(ROUND_BIASED)");
      String q = expm1Reduced(floats("r", n + ".fma(MINUS_LN2, " + v + ")"));
      String g =
          floats("g", rounded + ".reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats()");
      String minusErf = floats("m", g + ".fma(" + q + ", " + g + ".sub(ONE))");
      return withSignOf(blend(minusErf, "ONE", magnitude + ".compare(GE, ERF_ONE)"), x);
    }

    /**
     * Φ(-|z|), the smaller tail of the standard normal distribution, with no cancellation: half of
     * erfc(|z|/√2). Rounds to 0 from |z| = 5.56 (Φ = 1.4e-8) on; NaN gives NaN.
     */
    String normalTail(String z) {
      String x = floats("a", z + ".abs().mul(SQRT_HALF)");
      String tail = floats("t", expOfNormalResult(logErfc(x)) + ".mul(HALF)");
      return blend(tail, "ZERO", x + ".compare(GE, ERF_ONE)");
    }

    /** Φ(z), the standard normal distribution function: (1 + erf(z/√2)) / 2. */
    String normalDistribution(String z) {
      return sigmoidFromTail(z, normalTail(z));
    }

    /** φ(z) = exp(-z²/2) / √(2π), the standard normal density. */
    String normalDensity(String z) {
      String x = floats("x", z + ".mul(MINUS_HALF).mul(" + z + ")");
      return floats("y", expOfNegative(x) + ".mul(INVERSE_SQRT_TWO_PI)");
    }
  }

  /** A formula of z, or of z and its gradient g. */
  private interface Body {
    String write(Formula f, String z, String g);
  }

  private final StringBuilder out = new StringBuilder();

  private ElementwiseGenerator() {}

  /** Returns the source text. */
  static String source() {
    return new ElementwiseGenerator().write();
  }

  private String write() {
    out.append(HEADER);
    forward("exp", 2, "", EXP, f -> z -> f.exp(z));
    forward(
        "erf", 2, "", "Error function. Zeros keep their sign, ±Inf gives ±1.", f -> z -> f.erf(z));
    forward("relu", 2, "", "max(z, 0).", f -> z -> f.blend(z, "ZERO", z + ".compare(LE, ZERO)"));
    backward(
        "relu",
        2,
        "",
        "g where z > 0, else 0 whatever g is; the derivative at 0 is 0.",
        (f, z, g) -> f.blend(g, "ZERO", z + ".compare(LE, ZERO)"));
    forward(
        "leakyRelu",
        2,
        "",
        "z where z > 0, else {@link #LEAKY_SLOPE}·z.",
        f -> z -> f.floats("y", z + ".mul(SLOPE).blend(" + z + ", " + z + ".compare(GT, ZERO))"));
    backward(
        "leakyRelu",
        2,
        "",
        "g where z > 0, else {@link #LEAKY_SLOPE}·g; the derivative at 0 is the slope.",
        (f, z, g) ->
            f.floats("y", g + ".mul(SLOPE).blend(" + g + ", " + z + ".compare(GT, ZERO))"));
    forward(
        "gelu",
        2,
        "",
        "z·Φ(z), the exact GELU: z·(1 + erf(z/√2))/2. NaN at -Inf.",
        f -> z -> f.floats("y", z + ".mul(" + f.normalDistribution(z) + ")"));
    backward(
        "gelu",
        1,
        "",
        "g·(Φ(z) + z·φ(z)), φ being the normal density. NaN at ±Inf.",
        (f, z, g) -> {
          String density = f.normalDensity(z);
          String slope =
              f.floats("s", z + ".fma(" + density + ", " + f.normalDistribution(z) + ")");
          return f.floats("y", g + ".mul(" + slope + ")");
        });
    forward(
        "geluTanh",
        2,
        "",
        "z·(1 + tanh u)/2, u = √(2/π)·(z + 0.044715·z³). NaN at -Inf.\n   *\n   * <p>Computed as z·sigmoid(2u),"
            + " which is the same and doesn't cancel where z is negative.",
        f ->
            z -> {
              String inner = f.floats("i", z + ".mul(" + z + ").fma(GELU_CUBIC, GELU_LINEAR)");
              String twiceU = f.floats("u", z + ".mul(" + inner + ")");
              return f.floats("y", z + ".mul(" + f.sigmoid(twiceU) + ")");
            });
    backward(
        "geluTanh",
        1,
        "",
        "g·(q + z·q·(1 - q)·d(2u)/dz), q = sigmoid(2u), u as in {@link #geluTanh}. NaN at ±Inf.",
        (f, z, g) -> {
          String all = f.floats("z", z + ".mul(" + z + ")");
          String square =
              f.blend(all, "GELU_LARGEST_SQUARE", all + ".compare(GT, GELU_LARGEST_SQUARE)");
          String twiceU = f.floats("u", z + ".mul(" + square + ".fma(GELU_CUBIC, GELU_LINEAR))");
          String tail = f.sigmoidTail(twiceU);
          String q = f.sigmoidFromTail(twiceU, tail);
          String inner = f.floats("i", square + ".fma(GELU_THRICE_CUBIC, GELU_LINEAR)");
          String product = f.floats("m", z + ".mul(" + tail + ").mul(ONE.sub(" + tail + "))");
          String slope = f.floats("s", product + ".fma(" + inner + ", " + q + ")");
          return f.floats("y", g + ".mul(" + slope + ")");
        });
    forward(
        "silu",
        2,
        "",
        "z·sigmoid(z). NaN at -Inf.",
        f -> z -> f.floats("y", z + ".mul(" + f.sigmoid(z) + ")"));
    backward(
        "silu",
        2,
        "",
        "g·q·(1 + z·(1 - q)), q = sigmoid(z). NaN at ±Inf.",
        (f, z, g) -> {
          String tail = f.sigmoidTail(z);
          String q = f.sigmoidFromTail(z, tail);
          // q·(1 - q) is tail·(1 - tail) for either sign of z.
          String slope =
              f.floats("s", z + ".mul(" + tail + ").fma(ONE.sub(" + tail + "), " + q + ")");
          return f.floats("y", g + ".mul(" + slope + ")");
        });
    forward("tanh", 2, "", TANH, f -> z -> f.tanh(z));
    backward(
        "tanh",
        2,
        "",
        "g·(1 - tanh²(z)).",
        (f, z, g) -> {
          String t = f.tanh(z);
          return f.floats("y", g + ".mul(ONE.sub(" + t + ").mul(ONE.add(" + t + ")))");
        });
    forward(
        "sigmoid",
        2,
        "",
        "1 / (1 + exp(-z)). Falls gradually through the subnormal numbers to 0.",
        f -> z -> f.sigmoid(z));
    backward(
        "sigmoid",
        2,
        "",
        "g·q·(1 - q), q = sigmoid(z).",
        (f, z, g) -> {
          String tail = f.sigmoidTail(z);
          return f.floats("y", g + ".mul(" + tail + ".mul(ONE.sub(" + tail + ")))");
        });
    String beta = "float beta, ";
    forward(
        "swish",
        2,
        beta,
        "z·sigmoid(βz). NaN where z is infinite and βz = -Inf or NaN.",
        f ->
            z -> {
              String scaled = f.floats("c", z + ".mul(b)");
              return f.floats("y", z + ".mul(" + f.sigmoid(scaled) + ")");
            });
    backward(
        "swish",
        2,
        beta,
        "g·(q + βz·q·(1 - q)), q = sigmoid(βz): the gradient of z. NaN at ±Inf.",
        (f, z, g) -> {
          String scaled = f.floats("c", z + ".mul(b)");
          String tail = f.sigmoidTail(scaled);
          String q = f.sigmoidFromTail(scaled, tail);
          // z·tail first: βz may overflow where z does not, and 0·Inf is NaN.
          String slope =
              f.floats("s", z + ".mul(" + tail + ").mul(b).fma(ONE.sub(" + tail + "), " + q + ")");
          return f.floats("y", g + ".mul(" + slope + ")");
        });
    backward(
        "swishBeta",
        2,
        beta,
        "g·z²·q·(1 - q), q = sigmoid(βz): the terms whose sum is the gradient of β. NaN at ±Inf.",
        (f, z, g) -> {
          String tail = f.sigmoidTail(f.floats("c", z + ".mul(b)"));
          // Not z² first, which may overflow where the tail is 0.
          String slope =
              f.floats("s", z + ".mul(" + tail + ").mul(" + z + ".mul(ONE.sub(" + tail + ")))");
          return f.floats("y", g + ".mul(" + slope + ")");
        });
    return out.append("}\n").toString();
  }

  private void forward(
      String name,
      int copies,
      String beta,
      String doc,
      Function<Formula, Function<String, String>> body) {
    loop(name, copies, beta, doc, false, (f, z, g) -> body.apply(f).apply(z));
  }

  private void backward(String name, int copies, String beta, String doc, Body body) {
    loop(name + "Backward", copies, beta, doc, true, body);
  }

  private void loop(String name, int copies, String beta, String doc, boolean gradient, Body body) {
    out.append("\n  /** ").append(doc).append(" */\n");
    out.append("  static void %s(\n      %sMemorySegment z, long z0,".formatted(name, beta));
    out.append(gradient ? " MemorySegment g, long g0," : "");
    out.append(" MemorySegment dst, long dst0, int count) {\n");
    out.append("    check(z, z0, dst, dst0, count);\n");
    if (gradient) {
      out.append("    Operands.requireRange(\"g\", g, g0, count);\n");
    }
    out.append(
        TileGenerator.exact(gradient ? new String[] {"z", "g", "dst"} : new String[] {"z", "dst"}));
    if (!beta.isEmpty()) {
      out.append("    FloatVector b = VectorMath.constant(beta);\n");
    }
    out.append("    long end = count * 4L;\n");
    out.append(
        "    for (long at = 0; at < end; at += %s) {\n".formatted(copies == 1 ? "V" : "2 * V"));
    if (copies == 2) {
      out.append("      long next = Math.min(at + V, end - V);\n");
    }
    List<List<String>> lines = new ArrayList<>();
    for (int copy = 0; copy < copies; copy++) {
      String at = copy == 0 ? "at" : "next";
      Formula f = new Formula(copy);
      String z = f.floats("z", "FloatVector.fromMemorySegment(S, z, z0 + " + at + ", O)");
      String g =
          gradient ? f.floats("g", "FloatVector.fromMemorySegment(S, g, g0 + " + at + ", O)") : "";
      String result = body.write(f, z, g);
      f.lines.add(result + ".intoMemorySegment(dst, dst0 + " + at + ", O);");
      lines.add(f.lines);
    }
    for (int line = 0; line < lines.get(0).size(); line++) {
      for (List<String> copy : lines) {
        out.append("      ").append(copy.get(line)).append('\n');
      }
    }
    out.append("    }\n  }\n");
  }

  private static final String EXP =
      "e to the power z. Overflows to +Inf, underflows gradually through the subnormal numbers to 0.";

  private static final String TANH =
      "Hyperbolic tangent. Zeros keep their sign, tiny and subnormal z give z, ±Inf gives ±1.";

  private static final String HEADER =
      """
      // Generated by TileGenerator (test sources). Do not edit: change the generator and run it.
      package dev.borealis.internal.cpu;

      import static dev.borealis.internal.cpu.VectorMath.*;
      import static jdk.incubator.vector.VectorOperators.GE;
      import static jdk.incubator.vector.VectorOperators.GT;
      import static jdk.incubator.vector.VectorOperators.LE;
      import static jdk.incubator.vector.VectorOperators.LSHL;
      import static jdk.incubator.vector.VectorOperators.LSHR;
      import static jdk.incubator.vector.VectorOperators.LT;

      import java.lang.foreign.MemorySegment;
      import java.nio.ByteOrder;
      import jdk.incubator.vector.FloatVector;
      import jdk.incubator.vector.IntVector;
      import jdk.incubator.vector.VectorSpecies;

      /**
       * Element-wise functions and their derivatives over memory segments.
       *
       * <p>Forward: {@code dst[i] = f(z[i])}. Backward, {@code …Backward}: {@code dst[i] =
       * g[i]·f'(z[i])}, computed from z alone; nothing is kept from the forward pass. Everywhere: F32 in
       * native byte order, no alignment needed, offsets in bytes, {@code count} in elements and a
       * multiple of {@link Species#LANES} (callers pad). {@code dst} may be exactly one of the inputs;
       * any other overlap gives wrong results. No state, so any thread may call; nothing is allocated.
       * Segments are native ones, see {@link Native}.
       *
       * <p>No branches: special values are handled with compare and blend. A compare is written so that
       * NaN answers false, and NaN then passes through the arithmetic: NaN gives NaN everywhere. The rest
       * agrees with PyTorch: the forms z·f(z) give NaN at -Inf, and finite z never gives NaN.
       *
       * <p>Every method throws {@link IllegalArgumentException} for a bad count and {@link
       * IndexOutOfBoundsException} for a segment that is too short, before it writes anything.
       */
      final class Elementwise {
        /** Slope of {@link #leakyRelu} for z ≤ 0. */
        static final float LEAKY_SLOPE = 0.01f;

        private static final VectorSpecies<Float> S = Species.F32;
        private static final int V = Species.LANES * Float.BYTES;
        private static final ByteOrder O = ByteOrder.nativeOrder();

        private static final FloatVector SLOPE = constant(LEAKY_SLOPE);

        // gelu_tanh = z·sigmoid(2u), 2u = z·(LINEAR + CUBIC·z²), and d(2u)/dz = LINEAR + 3·CUBIC·z².
        private static final double TWICE_SQRT_TWO_OVER_PI = 2 * Math.sqrt(2 / Math.PI);
        private static final FloatVector GELU_LINEAR = constant((float) TWICE_SQRT_TWO_OVER_PI);
        private static final FloatVector GELU_CUBIC =
            constant((float) (TWICE_SQRT_TWO_OVER_PI * 0.044715));
        private static final FloatVector GELU_THRICE_CUBIC =
            constant((float) (3 * TWICE_SQRT_TWO_OVER_PI * 0.044715));
        // z² beyond this is cut off: the sigmoid is 0 or 1 long before, and 0·z²·z must not become NaN.
        private static final FloatVector GELU_LARGEST_SQUARE = constant(1024f);

        private Elementwise() {}

        private static void check(
            MemorySegment z, long z0, MemorySegment dst, long dst0, int count) {
          Operands.requireWholeVectors(count);
          Operands.requireRange("z", z, z0, count);
          Operands.requireRange("dst", dst, dst0, count);
        }
      """;
}
