package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.XOR;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * The bases of a uniform cubic B-spline and their derivatives, one basis after the other.
 *
 * <p>With {@code c_m = lo + (m - 1)·h} and {@code d = (z - c_m)/h}, for m = 0 … bases - 1:
 *
 * <pre>{@code
 * b_m(z)  = (max(0, 2 - |d|)³ - 4·max(0, 1 - |d|)³) / 6
 * b'_m(z) = sign(d)/(2h) · (4·max(0, 1 - |d|)² - max(0, 2 - |d|)²)
 * }</pre>
 *
 * <p>Zero outside the support, also at ±Inf: not clamped, not extrapolated. NaN gives NaN.
 *
 * <p>An output of the bases has one row for each m, row m at {@code dstOffset + m·dstStride} bytes.
 * Segments, offsets, counts, overlap, threads and exceptions: as in {@link Elementwise}, except
 * that {@code dst} must not overlap an input, because z is read once for each basis.
 */
final class BSpline {

  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private static final FloatVector ZERO = VectorMath.constant(0f);
  private static final FloatVector ONE = VectorMath.constant(1f);
  private static final FloatVector TWO = VectorMath.constant(2f);
  private static final FloatVector SIXTH = VectorMath.constant((float) (1 / 6.));
  private static final FloatVector MINUS_TWO_THIRDS = VectorMath.constant((float) (-2 / 3.));
  private static final FloatVector MINUS_TWO = VectorMath.constant(-2f);
  private static final IntVector SIGN_BIT = IntVector.broadcast(Species.I32, Integer.MIN_VALUE);

  private BSpline() {}

  /** {@code dst[m][i] = b_m(z[i])}. */
  static void bases(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      long dstStride,
      int count) {
    check(h, bases, z, zOffset, "dst", dst, dstOffset, dstStride, count);
    for (int m = 0; m < bases; m++) {
      basis(h, lo + (m - 1) * h, z, zOffset, dst, dstOffset + m * dstStride, count);
    }
  }

  /** {@code dst[m][i] += b_m(z[i])}. */
  static void addBases(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      long dstStride,
      int count) {
    check(h, bases, z, zOffset, "dst", dst, dstOffset, dstStride, count);
    for (int m = 0; m < bases; m++) {
      addBasis(h, lo + (m - 1) * h, z, zOffset, dst, dstOffset + m * dstStride, count);
    }
  }

  /** {@code dst[m][i] = b'_m(z[i])}. */
  static void basesDerivative(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      long dstStride,
      int count) {
    check(h, bases, z, zOffset, "dst", dst, dstOffset, dstStride, count);
    for (int m = 0; m < bases; m++) {
      derivative(h, lo + (m - 1) * h, z, zOffset, dst, dstOffset + m * dstStride, count);
    }
  }

  /** {@code dst[m][i] += b'_m(z[i])}. */
  static void addBasesDerivative(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      long dstStride,
      int count) {
    check(h, bases, z, zOffset, "dst", dst, dstOffset, dstStride, count);
    for (int m = 0; m < bases; m++) {
      addDerivative(h, lo + (m - 1) * h, z, zOffset, dst, dstOffset + m * dstStride, count);
    }
  }

  /**
   * {@code dst[i] += Σ_m g[m][i]·b'_m(z[i])}: the gradient of z where each basis has its own
   * gradient, row m of it at {@code gOffset + m·gStride} bytes.
   */
  static void addWeightedDerivative(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      long gStride,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(h, bases, z, zOffset, "g", g, gOffset, gStride, count);
    Operands.requireRange("dst", dst, dstOffset, count);
    for (int m = 0; m < bases; m++) {
      addWeighted(h, lo + (m - 1) * h, z, zOffset, g, gOffset + m * gStride, dst, dstOffset, count);
    }
  }

  private static void check(
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      String rowsName,
      MemorySegment rows,
      long rowsOffset,
      long rowsStride,
      int count) {
    // The negation also catches NaN.
    if (!(h >= Float.MIN_NORMAL && h <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException("h: expected a positive, normal fp32 width, got " + h);
    }
    if (bases < 1) {
      throw new IllegalArgumentException("bases: expected at least 1, got " + bases);
    }
    Operands.requireWholeVectors(count);
    Operands.requireRange("z", z, zOffset, count);
    Operands.requireRange(rowsName, rows, rowsOffset, count);
    Operands.requireRange(rowsName, rows, rowsOffset + (bases - 1) * rowsStride, count);
  }

  // The loops below repeat each other for the reason given in Elementwise. In all of them
  //   d = (z - c)·inverseH = z·inverseH - c·inverseH
  // is one FMA and one subtraction, the constant c·inverseH being split into two floats: where d is
  // small it keeps full precision, however far from 0 the grid lies.

  /** max(0, x), but NaN where x is NaN. */
  private static FloatVector positive(FloatVector x) {
    return x.blend(ZERO, x.compare(LT, ZERO));
  }

  private static FloatVector value(FloatVector d) {
    FloatVector distance = d.abs();
    FloatVector wide = positive(TWO.sub(distance));
    FloatVector narrow = positive(ONE.sub(distance));
    FloatVector narrowPart = narrow.mul(narrow).mul(narrow).mul(MINUS_TWO_THIRDS);
    return wide.mul(wide).mul(wide).fma(SIXTH, narrowPart);
  }

  /** The derivative, times 2h. */
  private static FloatVector slope(FloatVector d) {
    FloatVector distance = d.abs();
    FloatVector wide = positive(TWO.sub(distance));
    FloatVector twiceNarrow = positive(distance.fma(MINUS_TWO, TWO));
    FloatVector magnitude = twiceNarrow.sub(wide).mul(twiceNarrow.add(wide));
    IntVector sign = d.reinterpretAsInts().and(SIGN_BIT);
    return magnitude.reinterpretAsInts().lanewise(XOR, sign).reinterpretAsFloats();
  }

  private static void basis(
      double h,
      double centre,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    float inverse = (float) (1 / h);
    double product = centre * inverse;
    float productHigh = (float) product;
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusHigh = VectorMath.constant(-productHigh);
    FloatVector low = VectorMath.constant((float) (product - productHigh));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector d = v.fma(inverseH, minusHigh).sub(low);
      value(d).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addBasis(
      double h,
      double centre,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    float inverse = (float) (1 / h);
    double product = centre * inverse;
    float productHigh = (float) product;
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusHigh = VectorMath.constant(-productHigh);
    FloatVector low = VectorMath.constant((float) (product - productHigh));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector d = v.fma(inverseH, minusHigh).sub(low);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      sum.add(value(d)).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void derivative(
      double h,
      double centre,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    float inverse = (float) (1 / h);
    double product = centre * inverse;
    float productHigh = (float) product;
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusHigh = VectorMath.constant(-productHigh);
    FloatVector low = VectorMath.constant((float) (product - productHigh));
    FloatVector half = VectorMath.constant((float) (0.5 / h));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector d = v.fma(inverseH, minusHigh).sub(low);
      slope(d).mul(half).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addDerivative(
      double h,
      double centre,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    float inverse = (float) (1 / h);
    double product = centre * inverse;
    float productHigh = (float) product;
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusHigh = VectorMath.constant(-productHigh);
    FloatVector low = VectorMath.constant((float) (product - productHigh));
    FloatVector half = VectorMath.constant((float) (0.5 / h));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector d = v.fma(inverseH, minusHigh).sub(low);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      slope(d).fma(half, sum).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addWeighted(
      double h,
      double centre,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    float inverse = (float) (1 / h);
    double product = centre * inverse;
    float productHigh = (float) product;
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusHigh = VectorMath.constant(-productHigh);
    FloatVector low = VectorMath.constant((float) (product - productHigh));
    FloatVector half = VectorMath.constant((float) (0.5 / h));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector d = v.fma(inverseH, minusHigh).sub(low);
      FloatVector gradient =
          FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER).mul(half);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      slope(d).fma(gradient, sum).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }
}
