package dev.borealis.internal.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * The constants of {@link Elementwise}'s functions: pure Java, the same operations in the same
 * order at every vector width, so every width and machine gives the same bits.
 *
 * <p>The JDK's own {@code lanewise(EXP)} and {@code lanewise(TANH)} aren't used: they call a native
 * library on some machines and box every vector on others. Error bounds are in docs/NUMERICS.md,
 * from runs over all 2^32 floats.
 *
 * <p>Coefficients are minimax fits (linear programming over Chebyshev nodes, rounded to float one
 * coefficient at a time, lowest first, the rest fitted anew). All constants are vectors in static
 * final fields rather than broadcasts in the code: each broadcast costs C2 inlining budget, and a
 * loop that runs out of it allocates every vector.
 */
final class VectorMath {

  static final FloatVector ZERO = constant(0f);
  static final FloatVector HALF = constant(0.5f);
  static final FloatVector ONE = constant(1f);
  static final FloatVector MINUS_TWO = constant(-2f);

  static final IntVector MAGNITUDE_BITS = IntVector.broadcast(Species.I32, Integer.MAX_VALUE);
  static final IntVector SIGN_BIT = IntVector.broadcast(Species.I32, Integer.MIN_VALUE);

  // Adding 1.5·2^23 rounds to the nearest integer, which then stands in the low bits of the sum. A
  // further integer in the constant puts an exponent bias there at no cost: shifted left by 23, the
  // bits then are a power of two.
  private static final float ROUND = 0x1.8p23f;
  static final FloatVector ROUND_TWICE_BIASED = constant(ROUND + 254);
  static final FloatVector ROUND_BIASED = constant(ROUND + 127);
  static final FloatVector ROUND_BIASED_HALVED = constant(ROUND + 126);

  static final FloatVector LOG2_E = constant(0x1.715476p0f);
  static final FloatVector MINUS_LN2 = constant(-0x1.62e43p-1f);
  // ln 2 in two parts; the first has 15 bits, so that its product with an exponent is exact.
  static final FloatVector MINUS_LN2_HIGH = constant(-0x1.62e4p-1f);
  static final FloatVector MINUS_LN2_LOW = constant(-0x1.7f7d1cp-20f);

  // Below the first, exp rounds to 0; above the second it overflows.
  static final FloatVector EXP_LOWEST = constant(-105f);
  static final FloatVector EXP_HIGHEST = constant(89f);

  // exp(r) = 1 + r + r²·(E2 + E3·r + …) for |r| ≤ ln 2 / 2; relative error 3.2e-9.
  static final FloatVector E2 = constant(0x1.fffffcp-2f);
  static final FloatVector E3 = constant(0x1.555492p-3f);
  static final FloatVector E4 = constant(0x1.5558aap-5f);
  static final FloatVector E5 = constant(0x1.12396ep-7f);
  static final FloatVector E6 = constant(0x1.6a524ep-10f);

  // The same for expm1(r) = r + r²·(…), the error being relative to expm1(r): 1.4e-8.
  static final FloatVector M2 = constant(0x1.fffffep-2f);
  static final FloatVector M3 = constant(0x1.5554b4p-3f);
  static final FloatVector M4 = constant(0x1.5556f6p-5f);
  static final FloatVector M5 = constant(0x1.122536p-7f);
  static final FloatVector M6 = constant(0x1.6b97d8p-10f);

  // From here on tanh and erf round to 1.
  static final FloatVector TANH_ONE = constant(9.02f);
  static final FloatVector ERF_ONE = constant(3.93f);

  // erfc(x) = exp(x·(L0 + L1·x + …)) for 0 ≤ x ≤ 3.93; error of erf 3.6e-8 relative.
  static final FloatVector L0 = constant(-0x1.20dd76p0f);
  static final FloatVector L1 = constant(-0x1.45f26cp-1f);
  static final FloatVector L2 = constant(-0x1.a53016p-4f);
  static final FloatVector L3 = constant(0x1.3d7e44p-6f);
  static final FloatVector L4 = constant(-0x1.3ec7f4p-12f);
  static final FloatVector L5 = constant(-0x1.3248c4p-10f);
  static final FloatVector L6 = constant(0x1.6c7c1ep-12f);
  static final FloatVector L7 = constant(-0x1.2b68acp-15f);

  static final FloatVector SQRT_HALF = constant((float) Math.sqrt(0.5));
  static final FloatVector MINUS_HALF = constant(-0.5f);
  static final FloatVector INVERSE_SQRT_TWO_PI = constant((float) (1 / Math.sqrt(2 * Math.PI)));

  private VectorMath() {}

  /**
   * A vector with {@code value} in every lane. For static final fields and for use before loops.
   */
  static FloatVector constant(float value) {
    return FloatVector.broadcast(Species.F32, value);
  }
}
