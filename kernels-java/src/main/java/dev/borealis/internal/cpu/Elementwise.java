package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LE;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * Element-wise activations and their derivatives over memory segments.
 *
 * <p>Forward: {@code dst[i] = f(z[i])}. Backward, {@code …Backward}: {@code dst[i] =
 * g[i]·f'(z[i])}, computed from z alone; nothing is kept from the forward pass. Everywhere: F32 in
 * native byte order, no alignment needed, offsets in bytes, {@code count} in elements and a
 * multiple of {@link Species#LANES} (callers pad). {@code dst} may be exactly one of the inputs;
 * any other overlap gives wrong results. No state, so any thread may call; nothing is allocated.
 * Use native segments: mixing heap and native ones makes the compiled loops several times slower.
 *
 * <p>Special values follow from the formulas as they stand in IEEE arithmetic and agree with
 * PyTorch: NaN gives NaN, and the forms z·f(z) give NaN at -Inf. Finite z never gives NaN.
 *
 * <p>Every method throws {@link IllegalArgumentException} for a bad count and {@link
 * IndexOutOfBoundsException} for a segment that is too short, before it writes anything.
 *
 * <p>Each function has its own loop on purpose. One loop that takes the function as an argument
 * stops being compiled into vector code as soon as it has seen three functions: the call is no
 * longer inlined, and every vector is allocated on the heap.
 */
final class Elementwise {

  /** Slope of {@link #leakyRelu} for z ≤ 0. */
  static final float LEAKY_SLOPE = 0.01f;

  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private static final FloatVector ZERO = VectorMath.constant(0f);
  private static final FloatVector ONE = VectorMath.constant(1f);
  private static final FloatVector SLOPE = VectorMath.constant(LEAKY_SLOPE);

  // gelu_tanh = z·sigmoid(2u), 2u = z·(LINEAR + CUBIC·z²), and d(2u)/dz = LINEAR + 3·CUBIC·z².
  private static final double TWICE_SQRT_TWO_OVER_PI = 2 * Math.sqrt(2 / Math.PI);
  private static final FloatVector GELU_LINEAR =
      VectorMath.constant((float) TWICE_SQRT_TWO_OVER_PI);
  private static final FloatVector GELU_CUBIC =
      VectorMath.constant((float) (TWICE_SQRT_TWO_OVER_PI * 0.044715));
  private static final FloatVector GELU_THRICE_CUBIC =
      VectorMath.constant((float) (3 * TWICE_SQRT_TWO_OVER_PI * 0.044715));
  // z² beyond this is cut off: the sigmoid is 0 or 1 long before, and 0·z²·z must not become NaN.
  private static final FloatVector GELU_LARGEST_SQUARE = VectorMath.constant(1024f);

  private Elementwise() {}

  private static void check(
      MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    Operands.requireWholeVectors(count);
    Operands.requireRange("z", z, zOffset, count);
    Operands.requireRange("dst", dst, dstOffset, count);
  }

  private static void check(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, dst, dstOffset, count);
    Operands.requireRange("g", g, gOffset, count);
  }

  /** max(z, 0). NaN stays NaN. */
  static void relu(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = v.blend(ZERO, v.compare(LE, ZERO));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g where z > 0, else 0 whatever g is; the derivative at 0 is 0. */
  static void reluBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector result = gradient.blend(ZERO, v.compare(LE, ZERO));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** z where z > 0, else {@value #LEAKY_SLOPE}·z. */
  static void leakyRelu(
      MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = v.mul(SLOPE).blend(v, v.compare(GT, ZERO));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g where z > 0, else {@value #LEAKY_SLOPE}·g; the derivative at 0 is the slope. */
  static void leakyReluBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector result = gradient.mul(SLOPE).blend(gradient, v.compare(GT, ZERO));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** z·Φ(z), the exact GELU: z·(1 + erf(z/√2))/2. NaN at -Inf. */
  static void gelu(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = v.mul(VectorMath.normalDistribution(v));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·(Φ(z) + z·φ(z)), φ being the normal density. NaN at ±Inf. */
  static void geluBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector slope = v.fma(VectorMath.normalDensity(v), VectorMath.normalDistribution(v));
      FloatVector result = gradient.mul(slope);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /**
   * z·(1 + tanh u)/2, u = √(2/π)·(z + 0.044715·z³). NaN at -Inf.
   *
   * <p>Computed as z·sigmoid(2u), which is the same and doesn't cancel where z is negative.
   */
  static void geluTanh(
      MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector twiceU = v.mul(v.mul(v).fma(GELU_CUBIC, GELU_LINEAR));
      FloatVector result = v.mul(VectorMath.sigmoid(twiceU));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·(q + z·q·(1 - q)·d(2u)/dz), q = sigmoid(2u), u as in {@link #geluTanh}. NaN at ±Inf. */
  static void geluTanhBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector square = v.mul(v);
      square = square.blend(GELU_LARGEST_SQUARE, square.compare(GT, GELU_LARGEST_SQUARE));
      FloatVector twiceU = v.mul(square.fma(GELU_CUBIC, GELU_LINEAR));
      FloatVector tail = VectorMath.sigmoidTail(twiceU);
      FloatVector q = VectorMath.sigmoidFromTail(twiceU, tail);
      FloatVector inner = square.fma(GELU_THRICE_CUBIC, GELU_LINEAR);
      FloatVector slope = v.mul(tail).mul(ONE.sub(tail)).fma(inner, q);
      FloatVector result = gradient.mul(slope);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** z·sigmoid(z). NaN at -Inf. */
  static void silu(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = v.mul(VectorMath.sigmoid(v));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·q·(1 + z·(1 - q)), q = sigmoid(z). NaN at ±Inf. */
  static void siluBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector tail = VectorMath.sigmoidTail(v);
      FloatVector q = VectorMath.sigmoidFromTail(v, tail);
      // q·(1 - q) is tail·(1 - tail) for either sign of z.
      FloatVector slope = v.mul(tail).fma(ONE.sub(tail), q);
      FloatVector result = gradient.mul(slope);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** Hyperbolic tangent. */
  static void tanh(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = VectorMath.tanh(v);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·(1 - tanh²(z)). */
  static void tanhBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector t = VectorMath.tanh(v);
      FloatVector result = gradient.mul(ONE.sub(t).mul(ONE.add(t)));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** 1 / (1 + exp(-z)). */
  static void sigmoid(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = VectorMath.sigmoid(v);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·q·(1 - q), q = sigmoid(z). */
  static void sigmoidBackward(
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector tail = VectorMath.sigmoidTail(v);
      FloatVector result = gradient.mul(tail.mul(ONE.sub(tail)));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** z·sigmoid(βz). NaN where z is infinite and βz = -Inf or NaN. */
  static void swish(
      float beta, MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    check(z, zOffset, dst, dstOffset, count);
    FloatVector b = VectorMath.constant(beta);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector result = v.mul(VectorMath.sigmoid(v.mul(b)));
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·(q + βz·q·(1 - q)), q = sigmoid(βz): the gradient of z. NaN at ±Inf. */
  static void swishBackward(
      float beta,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    FloatVector b = VectorMath.constant(beta);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector scaled = v.mul(b);
      FloatVector tail = VectorMath.sigmoidTail(scaled);
      FloatVector q = VectorMath.sigmoidFromTail(scaled, tail);
      // z·tail first: βz may overflow where z does not, and 0·Inf is NaN.
      FloatVector slope = v.mul(tail).mul(b).fma(ONE.sub(tail), q);
      FloatVector result = gradient.mul(slope);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  /** g·z²·q·(1 - q), q = sigmoid(βz): the terms whose sum is the gradient of β. NaN at ±Inf. */
  static void swishBetaBackward(
      float beta,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, g, gOffset, dst, dstOffset, count);
    FloatVector b = VectorMath.constant(beta);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector gradient = FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER);
      FloatVector tail = VectorMath.sigmoidTail(v.mul(b));
      // Not z² first, which may overflow where the tail is 0.
      FloatVector slope = v.mul(tail).mul(v.mul(ONE.sub(tail)));
      FloatVector result = gradient.mul(slope);
      result.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }
}
