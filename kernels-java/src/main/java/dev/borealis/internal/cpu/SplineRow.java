package dev.borealis.internal.cpu;

import static jdk.incubator.vector.VectorOperators.GE;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Kernels for one row of spline weights, {@code s(z) = Σ_m w[m]·b_m(z)}, by table look-up: one
 * cubic per element, whatever the number of bases.
 *
 * <p>A table that fits one vector register is looked up with one permute per coefficient; a larger
 * one register by register, with blends. No gather.
 *
 * <p>Segments, offsets, counts, overlap, threads and exceptions: as in {@link Elementwise}. Outside
 * the support (see {@link SplineTable}) s and s' are 0, also at ±Inf and even where weights aren't
 * finite. NaN gives NaN.
 */
final class SplineRow {

  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  // Adding and subtracting it rounds to the nearest integer, which stands in the sum's low bits.
  // Its own low bits are 0, so that the sum is already an index where only the low bits count.
  private static final FloatVector ROUND = VectorMath.constant(0x1.8p23f);
  private static final IntVector ROUND_BITS = ROUND.reinterpretAsInts();

  private static final FloatVector ZERO = VectorMath.constant(0f);
  private static final FloatVector TWO = VectorMath.constant(2f);
  private static final FloatVector THREE = VectorMath.constant(3f);

  private SplineRow() {}

  /** {@code dst[i] = s(z[i])}. */
  static void forward(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, dst, dstOffset, count);
    if (table.intervals <= Species.LANES) {
      forwardOneRegister(table, z, zOffset, dst, dstOffset, count);
    } else {
      forwardManyRegisters(table, z, zOffset, dst, dstOffset, count);
    }
  }

  /** {@code dst[i] += s(z[i])}. */
  static void addForward(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, dst, dstOffset, count);
    if (table.intervals <= Species.LANES) {
      addForwardOneRegister(table, z, zOffset, dst, dstOffset, count);
    } else {
      addForwardManyRegisters(table, z, zOffset, dst, dstOffset, count);
    }
  }

  /** {@code dst[i] += g[i]·s'(z[i])}. */
  static void addBackward(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    check(z, zOffset, dst, dstOffset, count);
    Operands.requireRange("g", g, gOffset, count);
    if (table.intervals <= Species.LANES) {
      addBackwardOneRegister(table, z, zOffset, g, gOffset, dst, dstOffset, count);
    } else {
      addBackwardManyRegisters(table, z, zOffset, g, gOffset, dst, dstOffset, count);
    }
  }

  private static void check(
      MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count) {
    Operands.requireWholeVectors(count);
    Operands.requireRange("z", z, zOffset, count);
    Operands.requireRange("dst", dst, dstOffset, count);
  }

  // The loops below repeat each other: what they share are helpers that return one vector each, the
  // only form that keeps vectors in registers. In all of them: t is the grid coordinate, `rounded`
  // holds the interval's number, f in [-1/2, 1/2] is the place in it.

  /** Place in the interval: z·inverseH - (number + origin), rounded once. */
  private static FloatVector fraction(
      FloatVector z, FloatVector inverseH, FloatVector minusOrigin, FloatVector rounded) {
    return z.fma(inverseH, ROUND.sub(rounded).add(minusOrigin));
  }

  /** The value where t is inside the support, 0 elsewhere. */
  private static FloatVector inSupport(
      FloatVector value, FloatVector t, FloatVector middle, FloatVector halfWidth) {
    return value.blend(ZERO, t.sub(middle).abs().compare(GE, halfWidth));
  }

  private static FloatVector cubic(
      FloatVector f, FloatVector c0, FloatVector c1, FloatVector c2, FloatVector c3) {
    return c3.fma(f, c2).fma(f, c1).fma(f, c0);
  }

  private static FloatVector cubicDerivative(
      FloatVector f, FloatVector c1, FloatVector c2, FloatVector c3) {
    return c3.mul(THREE).fma(f, c2.mul(TWO)).fma(f, c1);
  }

  /** Coefficients from a table of one register; only the low bits of the index count. */
  private static FloatVector pick(IntVector index, IntVector table) {
    return index.selectFrom(table).reinterpretAsFloats();
  }

  /** Coefficients of one power from a table of several registers. */
  private static FloatVector pick(IntVector index, int[] table, int from, int stride) {
    IntVector picked = index.selectFrom(IntVector.fromArray(Species.I32, table, from));
    for (int first = Species.LANES; first < stride; first += Species.LANES) {
      IntVector next = index.selectFrom(IntVector.fromArray(Species.I32, table, from + first));
      picked = picked.blend(next, index.compare(GE, first));
    }
    return picked.reinterpretAsFloats();
  }

  private static IntVector power(SplineTable table, int power) {
    return IntVector.fromArray(Species.I32, table.coefficients, power * table.stride);
  }

  private static void forwardOneRegister(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    dst = Native.exact(dst);
    IntVector table0 = power(table, 0);
    IntVector table1 = power(table, 1);
    IntVector table2 = power(table, 2);
    IntVector table3 = power(table, 3);
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts();
      FloatVector c0 = pick(j, table0);
      FloatVector c1 = pick(j, table1);
      FloatVector c2 = pick(j, table2);
      FloatVector c3 = pick(j, table3);
      FloatVector s = inSupport(cubic(f, c0, c1, c2, c3), t, middle, halfWidth);
      s.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void forwardManyRegisters(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    dst = Native.exact(dst);
    int[] coefficients = table.coefficients;
    int stride = table.stride;
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts().sub(ROUND_BITS);
      FloatVector c0 = pick(j, coefficients, 0, stride);
      FloatVector c1 = pick(j, coefficients, stride, stride);
      FloatVector c2 = pick(j, coefficients, 2 * stride, stride);
      FloatVector c3 = pick(j, coefficients, 3 * stride, stride);
      FloatVector s = inSupport(cubic(f, c0, c1, c2, c3), t, middle, halfWidth);
      s.intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addForwardOneRegister(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    dst = Native.exact(dst);
    IntVector table0 = power(table, 0);
    IntVector table1 = power(table, 1);
    IntVector table2 = power(table, 2);
    IntVector table3 = power(table, 3);
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts();
      FloatVector c0 = pick(j, table0);
      FloatVector c1 = pick(j, table1);
      FloatVector c2 = pick(j, table2);
      FloatVector c3 = pick(j, table3);
      FloatVector s = inSupport(cubic(f, c0, c1, c2, c3), t, middle, halfWidth);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      sum.add(s).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addForwardManyRegisters(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    dst = Native.exact(dst);
    int[] coefficients = table.coefficients;
    int stride = table.stride;
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts().sub(ROUND_BITS);
      FloatVector c0 = pick(j, coefficients, 0, stride);
      FloatVector c1 = pick(j, coefficients, stride, stride);
      FloatVector c2 = pick(j, coefficients, 2 * stride, stride);
      FloatVector c3 = pick(j, coefficients, 3 * stride, stride);
      FloatVector s = inSupport(cubic(f, c0, c1, c2, c3), t, middle, halfWidth);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      sum.add(s).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addBackwardOneRegister(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    g = Native.exact(g);
    dst = Native.exact(dst);
    IntVector table1 = power(table, 1);
    IntVector table2 = power(table, 2);
    IntVector table3 = power(table, 3);
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts();
      FloatVector c1 = pick(j, table1);
      FloatVector c2 = pick(j, table2);
      FloatVector c3 = pick(j, table3);
      FloatVector slope = inSupport(cubicDerivative(f, c1, c2, c3), t, middle, halfWidth);
      FloatVector gradient =
          FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER).mul(inverseH);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      gradient.fma(slope, sum).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }

  private static void addBackwardManyRegisters(
      SplineTable table,
      MemorySegment z,
      long zOffset,
      MemorySegment g,
      long gOffset,
      MemorySegment dst,
      long dstOffset,
      int count) {
    z = Native.exact(z);
    g = Native.exact(g);
    dst = Native.exact(dst);
    int[] coefficients = table.coefficients;
    int stride = table.stride;
    FloatVector inverseH = VectorMath.constant(table.inverseH);
    FloatVector minusOrigin = VectorMath.constant(-table.origin);
    FloatVector middle = VectorMath.constant(table.middle);
    FloatVector halfWidth = VectorMath.constant(table.halfWidth);
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      FloatVector v = FloatVector.fromMemorySegment(Species.F32, z, zOffset + at, ORDER);
      FloatVector t = v.fma(inverseH, minusOrigin);
      FloatVector rounded = t.add(ROUND);
      FloatVector f = fraction(v, inverseH, minusOrigin, rounded);
      IntVector j = rounded.reinterpretAsInts().sub(ROUND_BITS);
      FloatVector c1 = pick(j, coefficients, stride, stride);
      FloatVector c2 = pick(j, coefficients, 2 * stride, stride);
      FloatVector c3 = pick(j, coefficients, 3 * stride, stride);
      FloatVector slope = inSupport(cubicDerivative(f, c1, c2, c3), t, middle, halfWidth);
      FloatVector gradient =
          FloatVector.fromMemorySegment(Species.F32, g, gOffset + at, ORDER).mul(inverseH);
      FloatVector sum = FloatVector.fromMemorySegment(Species.F32, dst, dstOffset + at, ORDER);
      gradient.fma(slope, sum).intoMemorySegment(dst, dstOffset + at, ORDER);
    }
  }
}
