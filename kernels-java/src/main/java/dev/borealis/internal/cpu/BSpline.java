package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.NE;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Sums over rows of the bases of a uniform cubic B-spline, and the gradient of such sums.
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
 * <p>Where z lies in interval j, which begins at {@code lo + j·h}, only the bases j to j + 3 aren't
 * zero. Their four values are computed once for each z, and each is taken in the lanes whose j is
 * right: half the work of all bases in closed form. Eight bases at a time, as many as there are for
 * the usual grid of 5 intervals.
 *
 * <p>Rows lie {@code stride} bytes apart. Segments, offsets, counts, threads and exceptions: as in
 * {@link Elementwise}. Outputs must not overlap inputs.
 */
final class BSpline {

  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final int GROUP = 8;

  // Adding and subtracting it rounds to the nearest integer.
  private static final FloatVector ROUND = VectorMath.constant(0x1.8p23f);
  private static final FloatVector ZERO = VectorMath.constant(0f);
  private static final FloatVector HALF = VectorMath.constant(0.5f);
  private static final FloatVector SIXTH = VectorMath.constant((float) (1 / 6.));
  private static final FloatVector TWO_THIRDS = VectorMath.constant((float) (2 / 3.));
  private static final FloatVector THREE_HALVES = VectorMath.constant(1.5f);
  private static final FloatVector TWO = VectorMath.constant(2f);
  private static final FloatVector MINUS_TWO = VectorMath.constant(-2f);
  // The intervals in which one of eight bases isn't zero are -3 to 7.
  private static final FloatVector MIDDLE = VectorMath.constant(2f);
  private static final FloatVector REACH = VectorMath.constant(5.75f);
  private static final FloatVector J_MINUS_3 = VectorMath.constant(-3f);
  private static final FloatVector J_MINUS_2 = VectorMath.constant(-2f);
  private static final FloatVector J_MINUS_1 = VectorMath.constant(-1f);
  private static final FloatVector J0 = VectorMath.constant(0f);
  private static final FloatVector J1 = VectorMath.constant(1f);
  private static final FloatVector J2 = VectorMath.constant(2f);
  private static final FloatVector J3 = VectorMath.constant(3f);
  private static final FloatVector J4 = VectorMath.constant(4f);
  private static final FloatVector J5 = VectorMath.constant(5f);
  private static final FloatVector J6 = VectorMath.constant(6f);
  private static final FloatVector J7 = VectorMath.constant(7f);

  private BSpline() {}

  /**
   * {@code sums[m][i] = Σ_k b_m(z[k][i])}.
   *
   * @param z {@code rows} rows
   * @param rows number of k, at least 1
   * @param sums {@code bases} rows
   */
  static void sumBases(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      long zStride,
      int rows,
      MemorySegment sums,
      long sumsOffset,
      long sumsStride,
      int count) {
    check(h, bases, rows, count);
    Operands.requireRange("z", z, zOffset, count);
    Operands.requireRange("z", z, zOffset + (rows - 1) * zStride, count);
    Operands.requireRange("sums", sums, sumsOffset, count);
    Operands.requireRange("sums", sums, sumsOffset + (bases - 1) * sumsStride, count);
    for (int m = 0; m < bases; m += GROUP) {
      sumGroup(
          lo + m * h,
          h,
          Math.min(GROUP, bases - m),
          z,
          zOffset,
          zStride,
          rows,
          sums,
          sumsOffset + m * sumsStride,
          sumsStride,
          count);
    }
  }

  /**
   * {@code dst[k][i] += Σ_m g[m][i]·b'_m(z[k][i])}: the gradient of z where each sum has its own
   * gradient.
   *
   * @param z {@code rows} rows
   * @param rows number of k, at least 1
   * @param g {@code bases} rows, finite
   * @param dst {@code rows} rows, which lie as far apart as z's
   */
  static void addGradient(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      long stride,
      int rows,
      MemorySegment g,
      long gOffset,
      long gStride,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(h, bases, rows, count);
    Operands.requireRange("z", z, zOffset, count);
    Operands.requireRange("z", z, zOffset + (rows - 1) * stride, count);
    Operands.requireRange("g", g, gOffset, count);
    Operands.requireRange("g", g, gOffset + (bases - 1) * gStride, count);
    Operands.requireRange("dst", dst, dstOffset, count);
    Operands.requireRange("dst", dst, dstOffset + (rows - 1) * stride, count);
    for (int m = 0; m < bases; m += GROUP) {
      addGroup(
          lo + m * h,
          h,
          Math.min(GROUP, bases - m),
          z,
          zOffset,
          stride,
          rows,
          g,
          gOffset + m * gStride,
          gStride,
          dst,
          dstOffset,
          count);
    }
  }

  private static void check(double h, int bases, int rows, int count) {
    // The negation also catches NaN.
    if (!(h >= Float.MIN_NORMAL && h <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException("h: expected a positive, normal fp32 width, got " + h);
    }
    if (bases < 1) {
      throw new IllegalArgumentException("bases: expected at least 1, got " + bases);
    }
    if (rows < 1) {
      throw new IllegalArgumentException("rows: expected at least 1, got " + rows);
    }
    Operands.requireWholeVectors(count);
  }

  // In both loops below: a in [0, 1] is the place in interval j, b = 1 - a; v·inverse - lo·inverse
  // - 1/2 - j, which is a - 1/2, is one FMA and one subtraction, because lo·inverse + 1/2 is split
  // into an integer, to which j adds up exactly, and the rest. So a keeps full precision, however
  // far from 0 the grid lies.
  //   bases j + 3, j:     a³/6, b³/6
  //   bases j + 2, j + 1: (4 - 6b² + 3b³)/6, (4 - 6a² + 3a³)/6

  private static void sumGroup(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      long zStride,
      int rows,
      MemorySegment sums,
      long sumsOffset,
      long sumsStride,
      int count) {
    z = Native.exact(z);
    sums = Native.exact(sums);
    float inverse = (float) (1 / h);
    double shift = lo * inverse + 0.5;
    float integer = (float) Math.rint(shift);
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusShift = VectorMath.constant((float) -shift);
    FloatVector minusInteger = VectorMath.constant(-integer);
    FloatVector rest = VectorMath.constant((float) (shift - integer));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      long from = zOffset + at;
      // zero(), not the constant ZERO, which is an object: variables that begin as one stay one.
      // nan is NaN where one of the z is, and else 0.
      FloatVector nan = FloatVector.zero(Species.F32);
      FloatVector s0 = FloatVector.zero(Species.F32);
      FloatVector s1 = FloatVector.zero(Species.F32);
      FloatVector s2 = FloatVector.zero(Species.F32);
      FloatVector s3 = FloatVector.zero(Species.F32);
      FloatVector s4 = FloatVector.zero(Species.F32);
      FloatVector s5 = FloatVector.zero(Species.F32);
      FloatVector s6 = FloatVector.zero(Species.F32);
      FloatVector s7 = FloatVector.zero(Species.F32);
      for (int k = 0; k < rows; k++) {
        FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, from, ORDER);
        FloatVector j = v.fma(inverseH, minusShift).add(ROUND).sub(ROUND);
        FloatVector middle = v.fma(inverseH, minusInteger.sub(j)).sub(rest);
        FloatVector a = HALF.add(middle);
        FloatVector b = HALF.sub(middle);
        FloatVector a2 = a.mul(a);
        FloatVector b2 = b.mul(b);
        FloatVector a3 = a2.mul(a);
        FloatVector b3 = b2.mul(b);
        FloatVector w0 = b3.mul(SIXTH);
        FloatVector w1 = a3.fma(HALF, TWO_THIRDS.sub(a2));
        FloatVector w2 = b3.fma(HALF, TWO_THIRDS.sub(b2));
        FloatVector w3 = a3.mul(SIXTH);
        nan = nan.blend(v, v.compare(NE, v));
        VectorMask<Float> e0 = j.compare(EQ, J_MINUS_3);
        s0 = s0.add(w3, e0);
        VectorMask<Float> e1 = j.compare(EQ, J_MINUS_2);
        s0 = s0.add(w2, e1);
        s1 = s1.add(w3, e1);
        VectorMask<Float> e2 = j.compare(EQ, J_MINUS_1);
        s0 = s0.add(w1, e2);
        s1 = s1.add(w2, e2);
        s2 = s2.add(w3, e2);
        VectorMask<Float> e3 = j.compare(EQ, J0);
        s0 = s0.add(w0, e3);
        s1 = s1.add(w1, e3);
        s2 = s2.add(w2, e3);
        s3 = s3.add(w3, e3);
        VectorMask<Float> e4 = j.compare(EQ, J1);
        s1 = s1.add(w0, e4);
        s2 = s2.add(w1, e4);
        s3 = s3.add(w2, e4);
        s4 = s4.add(w3, e4);
        VectorMask<Float> e5 = j.compare(EQ, J2);
        s2 = s2.add(w0, e5);
        s3 = s3.add(w1, e5);
        s4 = s4.add(w2, e5);
        s5 = s5.add(w3, e5);
        VectorMask<Float> e6 = j.compare(EQ, J3);
        s3 = s3.add(w0, e6);
        s4 = s4.add(w1, e6);
        s5 = s5.add(w2, e6);
        s6 = s6.add(w3, e6);
        VectorMask<Float> e7 = j.compare(EQ, J4);
        s4 = s4.add(w0, e7);
        s5 = s5.add(w1, e7);
        s6 = s6.add(w2, e7);
        s7 = s7.add(w3, e7);
        VectorMask<Float> e8 = j.compare(EQ, J5);
        s5 = s5.add(w0, e8);
        s6 = s6.add(w1, e8);
        s7 = s7.add(w2, e8);
        VectorMask<Float> e9 = j.compare(EQ, J6);
        s6 = s6.add(w0, e9);
        s7 = s7.add(w1, e9);
        VectorMask<Float> e10 = j.compare(EQ, J7);
        s7 = s7.add(w0, e10);
        from += zStride;
      }
      long to = sumsOffset + at;
      s0.add(nan).intoMemorySegment(sums, to, ORDER);
      if (bases > 1) {
        s1.add(nan).intoMemorySegment(sums, to + sumsStride, ORDER);
      }
      if (bases > 2) {
        s2.add(nan).intoMemorySegment(sums, to + 2 * sumsStride, ORDER);
      }
      if (bases > 3) {
        s3.add(nan).intoMemorySegment(sums, to + 3 * sumsStride, ORDER);
      }
      if (bases > 4) {
        s4.add(nan).intoMemorySegment(sums, to + 4 * sumsStride, ORDER);
      }
      if (bases > 5) {
        s5.add(nan).intoMemorySegment(sums, to + 5 * sumsStride, ORDER);
      }
      if (bases > 6) {
        s6.add(nan).intoMemorySegment(sums, to + 6 * sumsStride, ORDER);
      }
      if (bases > 7) {
        s7.add(nan).intoMemorySegment(sums, to + 7 * sumsStride, ORDER);
      }
    }
  }

  private static void addGroup(
      double lo,
      double h,
      int bases,
      MemorySegment z,
      long zOffset,
      long stride,
      int rows,
      MemorySegment g,
      long gOffset,
      long gStride,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    g = Native.exact(g);
    dst = Native.exact(dst);
    float inverse = (float) (1 / h);
    double shift = lo * inverse + 0.5;
    float integer = (float) Math.rint(shift);
    FloatVector inverseH = VectorMath.constant(inverse);
    FloatVector minusShift = VectorMath.constant((float) -shift);
    FloatVector minusInteger = VectorMath.constant(-integer);
    FloatVector rest = VectorMath.constant((float) (shift - integer));
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      long from = zOffset + at;
      long to = dstOffset + at;
      long gAt = gOffset + at;
      // zero() for the same reason.
      FloatVector g0 = FloatVector.fromMemorySegment(Species.F32, g, gAt, ORDER);
      FloatVector g1 =
          bases > 1
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g2 =
          bases > 2
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 2 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g3 =
          bases > 3
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 3 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g4 =
          bases > 4
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 4 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g5 =
          bases > 5
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 5 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g6 =
          bases > 6
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 6 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      FloatVector g7 =
          bases > 7
              ? FloatVector.fromMemorySegment(Species.F32, g, gAt + 7 * gStride, ORDER)
              : FloatVector.zero(Species.F32);
      for (int k = 0; k < rows; k++) {
        FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, from, ORDER);
        FloatVector t = v.fma(inverseH, minusShift);
        FloatVector j = t.add(ROUND).sub(ROUND);
        FloatVector middle = v.fma(inverseH, minusInteger.sub(j)).sub(rest);
        FloatVector a = HALF.add(middle);
        FloatVector b = HALF.sub(middle);
        FloatVector h0 = ZERO;
        FloatVector h1 = ZERO;
        FloatVector h2 = ZERO;
        FloatVector h3 = ZERO;
        VectorMask<Float> e0 = j.compare(EQ, J_MINUS_3);
        h3 = h3.blend(g0, e0);
        VectorMask<Float> e1 = j.compare(EQ, J_MINUS_2);
        h2 = h2.blend(g0, e1);
        h3 = h3.blend(g1, e1);
        VectorMask<Float> e2 = j.compare(EQ, J_MINUS_1);
        h1 = h1.blend(g0, e2);
        h2 = h2.blend(g1, e2);
        h3 = h3.blend(g2, e2);
        VectorMask<Float> e3 = j.compare(EQ, J0);
        h0 = h0.blend(g0, e3);
        h1 = h1.blend(g1, e3);
        h2 = h2.blend(g2, e3);
        h3 = h3.blend(g3, e3);
        VectorMask<Float> e4 = j.compare(EQ, J1);
        h0 = h0.blend(g1, e4);
        h1 = h1.blend(g2, e4);
        h2 = h2.blend(g3, e4);
        h3 = h3.blend(g4, e4);
        VectorMask<Float> e5 = j.compare(EQ, J2);
        h0 = h0.blend(g2, e5);
        h1 = h1.blend(g3, e5);
        h2 = h2.blend(g4, e5);
        h3 = h3.blend(g5, e5);
        VectorMask<Float> e6 = j.compare(EQ, J3);
        h0 = h0.blend(g3, e6);
        h1 = h1.blend(g4, e6);
        h2 = h2.blend(g5, e6);
        h3 = h3.blend(g6, e6);
        VectorMask<Float> e7 = j.compare(EQ, J4);
        h0 = h0.blend(g4, e7);
        h1 = h1.blend(g5, e7);
        h2 = h2.blend(g6, e7);
        h3 = h3.blend(g7, e7);
        VectorMask<Float> e8 = j.compare(EQ, J5);
        h0 = h0.blend(g5, e8);
        h1 = h1.blend(g6, e8);
        h2 = h2.blend(g7, e8);
        VectorMask<Float> e9 = j.compare(EQ, J6);
        h0 = h0.blend(g6, e9);
        h1 = h1.blend(g7, e9);
        VectorMask<Float> e10 = j.compare(EQ, J7);
        h0 = h0.blend(g7, e10);
        FloatVector outer = a.mul(a).mul(h3).sub(b.mul(b).mul(h0)).mul(HALF);
        FloatVector w1 = a.mul(a.fma(THREE_HALVES, MINUS_TWO));
        FloatVector w2 = b.mul(TWO.sub(b.mul(THREE_HALVES)));
        FloatVector slope = w2.fma(h2, w1.fma(h1, outer));
        // Far outside, a is anything.
        slope = slope.blend(ZERO, t.sub(MIDDLE).abs().compare(GE, REACH));
        FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, to, ORDER);
        slope.fma(inverseH, sum).intoMemorySegment(dst, to, ORDER);
        from += stride;
        to += stride;
      }
    }
  }
}
