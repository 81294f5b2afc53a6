package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Elementary functions on vectors of shape {@link Species#F32}: pure Java, the same operations in
 * the same order at every vector width, so every width and machine gives the same bits.
 *
 * <p>The JDK's own {@code lanewise(EXP)} and {@code lanewise(TANH)} aren't used: they call a native
 * library on some machines and box every vector on others.
 *
 * <p>No branches: special values are handled with compare and blend. A compare is written so that
 * NaN answers false, and NaN then passes through the arithmetic. Error bounds are in
 * docs/NUMERICS.md, from runs over all 2^32 floats.
 *
 * <p>Coefficients are minimax fits (linear programming over Chebyshev nodes, rounded to float one
 * coefficient at a time, lowest first, the rest fitted anew). All constants are vectors in static
 * final fields rather than broadcasts in the code: each broadcast costs C2 inlining budget, and a
 * loop that runs out of it allocates every vector.
 */
final class VectorMath {

  private static final FloatVector ZERO = constant(0f);
  private static final FloatVector HALF = constant(0.5f);
  private static final FloatVector ONE = constant(1f);
  private static final FloatVector MINUS_TWO = constant(-2f);

  private static final IntVector MAGNITUDE_BITS =
      IntVector.broadcast(Species.I32, Integer.MAX_VALUE);
  private static final IntVector SIGN_BIT = IntVector.broadcast(Species.I32, Integer.MIN_VALUE);

  // Adding 1.5·2^23 rounds to the nearest integer, which then stands in the low bits of the sum. A
  // further integer in the constant puts an exponent bias there at no cost: shifted left by 23, the
  // bits then are a power of two.
  private static final float ROUND = 0x1.8p23f;
  private static final FloatVector ROUND_TWICE_BIASED = constant(ROUND + 254);
  private static final FloatVector ROUND_BIASED = constant(ROUND + 127);
  private static final FloatVector ROUND_BIASED_HALVED = constant(ROUND + 126);

  private static final FloatVector LOG2_E = constant(0x1.715476p0f);
  private static final FloatVector MINUS_LN2 = constant(-0x1.62e43p-1f);
  // ln 2 in two parts; the first has 15 bits, so that its product with an exponent is exact.
  private static final FloatVector MINUS_LN2_HIGH = constant(-0x1.62e4p-1f);
  private static final FloatVector MINUS_LN2_LOW = constant(-0x1.7f7d1cp-20f);

  // Below the first, exp rounds to 0; above the second it overflows.
  private static final FloatVector EXP_LOWEST = constant(-105f);
  private static final FloatVector EXP_HIGHEST = constant(89f);

  // exp(r) = 1 + r + r²·(E2 + E3·r + …) for |r| ≤ ln 2 / 2; relative error 3.2e-9.
  private static final FloatVector E2 = constant(0x1.fffffcp-2f);
  private static final FloatVector E3 = constant(0x1.555492p-3f);
  private static final FloatVector E4 = constant(0x1.5558aap-5f);
  private static final FloatVector E5 = constant(0x1.12396ep-7f);
  private static final FloatVector E6 = constant(0x1.6a524ep-10f);

  // The same for expm1(r) = r + r²·(…), the error being relative to expm1(r): 1.4e-8.
  private static final FloatVector M2 = constant(0x1.fffffep-2f);
  private static final FloatVector M3 = constant(0x1.5554b4p-3f);
  private static final FloatVector M4 = constant(0x1.5556f6p-5f);
  private static final FloatVector M5 = constant(0x1.122536p-7f);
  private static final FloatVector M6 = constant(0x1.6b97d8p-10f);

  // From here on tanh and erf round to 1.
  private static final FloatVector TANH_ONE = constant(9.02f);
  private static final FloatVector ERF_ONE = constant(3.93f);

  // erfc(x) = exp(x·(L0 + L1·x + …)) for 0 ≤ x ≤ 3.93; error of erf 3.6e-8 relative.
  private static final FloatVector L0 = constant(-0x1.20dd76p0f);
  private static final FloatVector L1 = constant(-0x1.45f26cp-1f);
  private static final FloatVector L2 = constant(-0x1.a53016p-4f);
  private static final FloatVector L3 = constant(0x1.3d7e44p-6f);
  private static final FloatVector L4 = constant(-0x1.3ec7f4p-12f);
  private static final FloatVector L5 = constant(-0x1.3248c4p-10f);
  private static final FloatVector L6 = constant(0x1.6c7c1ep-12f);
  private static final FloatVector L7 = constant(-0x1.2b68acp-15f);

  private static final FloatVector SQRT_HALF = constant((float) Math.sqrt(0.5));
  private static final FloatVector MINUS_HALF = constant(-0.5f);
  private static final FloatVector INVERSE_SQRT_TWO_PI =
      constant((float) (1 / Math.sqrt(2 * Math.PI)));

  private VectorMath() {}

  /**
   * A vector with {@code value} in every lane. For static final fields and for use before loops.
   */
  static FloatVector constant(float value) {
    return FloatVector.broadcast(Species.F32, value);
  }

  /**
   * e to the power x. Overflows to +Inf, underflows gradually through the subnormal numbers to 0;
   * NaN gives NaN.
   */
  static FloatVector exp(FloatVector x) {
    return expInRange(
        x.blend(EXP_HIGHEST, x.compare(GT, EXP_HIGHEST))
            .blend(EXP_LOWEST, x.compare(LT, EXP_LOWEST)));
  }

  /** e to the power x for x in [-105, 89] or NaN; anything else gives garbage. */
  private static FloatVector expInRange(FloatVector x) {
    FloatVector rounded = x.fma(LOG2_E, ROUND_TWICE_BIASED);
    FloatVector n = rounded.sub(ROUND_TWICE_BIASED);
    FloatVector r = n.fma(MINUS_LN2_LOW, n.fma(MINUS_LN2_HIGH, x));
    FloatVector p = E6.fma(r, E5).fma(r, E4).fma(r, E3).fma(r, E2).fma(r, ONE).fma(r, ONE);
    // 2^n in two factors, because n may be 128 or below -126. The bits hold n + 254; half of that
    // is one biased exponent, what remains is the other.
    IntVector exponent = rounded.reinterpretAsInts();
    IntVector first = exponent.lanewise(LSHR, 1).lanewise(LSHL, 23);
    IntVector second = exponent.lanewise(LSHL, 23).sub(first);
    return p.mul(first.reinterpretAsFloats()).mul(second.reinterpretAsFloats());
  }

  /** expm1(r) for |r| ≤ ln 2 / 2. */
  private static FloatVector expm1Reduced(FloatVector r) {
    return r.mul(r).fma(M6.fma(r, M5).fma(r, M4).fma(r, M3).fma(r, M2), r);
  }

  /** |value| with the sign of {@code sign}; for NaN too. */
  private static FloatVector withSignOf(FloatVector value, FloatVector sign) {
    return value
        .reinterpretAsInts()
        .and(MAGNITUDE_BITS)
        .or(sign.reinterpretAsInts().and(SIGN_BIT))
        .reinterpretAsFloats();
  }

  /**
   * Hyperbolic tangent. Zeros keep their sign, tiny and subnormal x give x, ±Inf gives ±1, NaN
   * gives NaN.
   */
  static FloatVector tanh(FloatVector x) {
    // With E = exp(-2|x|) = 2^n·(1 + q):  tanh|x| = ((1 - E) / 2) / ((1 + E) / 2), both of them an
    // FMA of g = 2^(n-1) and q, so that nothing cancels near 0 and n = 0 is exact.
    FloatVector magnitude = x.abs();
    FloatVector minusTwice = magnitude.mul(MINUS_TWO);
    FloatVector rounded = minusTwice.fma(LOG2_E, ROUND_BIASED_HALVED);
    FloatVector n = rounded.sub(ROUND_BIASED_HALVED);
    FloatVector q = expm1Reduced(n.fma(MINUS_LN2, minusTwice));
    FloatVector g = rounded.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    FloatVector quotient = g.fma(q, g.sub(HALF)).div(g.fma(q, g.add(HALF)));
    return withSignOf(quotient.blend(ONE, magnitude.compare(GE, TANH_ONE)), x);
  }

  /**
   * The smaller of sigmoid(x) and sigmoid(-x), that is sigmoid(-|x|), accurate down to the
   * subnormal numbers. The larger one is 1 minus this, and the slope of the sigmoid is their
   * product.
   */
  static FloatVector sigmoidTail(FloatVector x) {
    FloatVector e = expOfMinus(x.abs());
    // One correction step, q ← e·(1 - q): an error of q shrinks by the factor e ≤ 1.
    FloatVector q = e.div(e.add(ONE));
    return e.neg().fma(q, e);
  }

  /** exp(-a) for a ≥ 0 or NaN. */
  private static FloatVector expOfMinus(FloatVector a) {
    FloatVector x = a.neg();
    return expInRange(x.blend(EXP_LOWEST, x.compare(LT, EXP_LOWEST)));
  }

  /** sigmoid(x) from x and {@link #sigmoidTail} of x. */
  static FloatVector sigmoidFromTail(FloatVector x, FloatVector tail) {
    return ONE.sub(tail).blend(tail, x.compare(LT, ZERO));
  }

  /** 1 / (1 + exp(-x)). Falls gradually through the subnormal numbers to 0; NaN gives NaN. */
  static FloatVector sigmoid(FloatVector x) {
    return sigmoidFromTail(x, sigmoidTail(x));
  }

  /** x·(L0 + L1·x + …), which is ln erfc(x), for 0 ≤ x ≤ 3.93. */
  private static FloatVector logErfc(FloatVector x) {
    return L7.fma(x, L6).fma(x, L5).fma(x, L4).fma(x, L3).fma(x, L2).fma(x, L1).fma(x, L0).mul(x);
  }

  /** Error function. Zeros keep their sign, ±Inf gives ±1, NaN gives NaN. */
  static FloatVector erf(FloatVector x) {
    FloatVector magnitude = x.abs();
    FloatVector v = logErfc(magnitude);
    FloatVector rounded = v.fma(LOG2_E, ROUND_BIASED);
    FloatVector n = rounded.sub(ROUND_BIASED);
    FloatVector q = expm1Reduced(n.fma(MINUS_LN2, v));
    FloatVector g = rounded.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    FloatVector minusErf = g.fma(q, g.sub(ONE));
    return withSignOf(minusErf.blend(ONE, magnitude.compare(GE, ERF_ONE)), x);
  }

  /**
   * Φ(-|z|), the smaller tail of the standard normal distribution, with no cancellation: half of
   * erfc(|z|/√2). Rounds to 0 from |z| = 5.56 (Φ = 1.4e-8) on; NaN gives NaN.
   */
  static FloatVector normalTail(FloatVector z) {
    FloatVector x = z.abs().mul(SQRT_HALF);
    FloatVector tail = expInRange(logErfc(x)).mul(HALF);
    return tail.blend(ZERO, x.compare(GE, ERF_ONE));
  }

  /** Φ(z), the standard normal distribution function: (1 + erf(z/√2)) / 2. */
  static FloatVector normalDistribution(FloatVector z) {
    FloatVector tail = normalTail(z);
    return ONE.sub(tail).blend(tail, z.compare(LT, ZERO));
  }

  /** φ(z) = exp(-z²/2) / √(2π), the standard normal density. */
  static FloatVector normalDensity(FloatVector z) {
    FloatVector x = z.mul(MINUS_HALF).mul(z);
    return expInRange(x.blend(EXP_LOWEST, x.compare(LT, EXP_LOWEST))).mul(INVERSE_SQRT_TWO_PI);
  }
}
