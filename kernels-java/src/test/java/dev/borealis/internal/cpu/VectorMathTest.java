package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Error bounds on a sample of all floats, and special values. */
@Tag("widths")
class VectorMathTest {

  // Prime, so that all low bits occur: 4.2 million floats, 8,200 in every binade.
  private static final long STEP = 1021;

  private static final float INF = Float.POSITIVE_INFINITY;
  private static final float SUBNORMAL = 0x1.234p-130f;

  @Test
  void expIsWithin2Ulp() {
    checkUlp(2, VectorMathKernels::exp, Truth::exp);
  }

  @Test
  void tanhIsWithin2Ulp() {
    checkUlp(2, VectorMathKernels::tanh, Truth::tanh);
  }

  @Test
  void sigmoidIsWithin2Ulp() {
    checkUlp(2, VectorMathKernels::sigmoid, Truth::sigmoid);
  }

  @Test
  void erfIsWithin4Ulp() {
    checkUlp(4, VectorMathKernels::erf, Truth::erf);
  }

  private static void checkUlp(double bound, UlpSweep.Kernel kernel, DoubleUnaryOperator truth) {
    UlpSweep sweep = UlpSweep.over(STEP, kernel, truth);
    assertTrue(sweep.maxUlp() <= bound, sweep::toString);
    assertTrue(sweep.count() > 4_000_000, sweep::toString);
  }

  /** The same constants at every width and on every machine: docs/NUMERICS.md promises that. */
  @Test
  void everyWidthGivesTheSameBits() {
    assertEquals(-6070087210686789553L, checksum(VectorMathKernels::exp), "exp");
    assertEquals(1437369355014086292L, checksum(VectorMathKernels::tanh), "tanh");
    assertEquals(-2996790052633417046L, checksum(VectorMathKernels::sigmoid), "sigmoid");
    assertEquals(2397985656687978589L, checksum(VectorMathKernels::erf), "erf");
  }

  /** Of the results for 262,144 floats spread over all there are; all NaN count as one. */
  private static long checksum(UlpSweep.Kernel kernel) {
    int count = 1 << 18;
    MemorySegment in = Floats.zeros(count);
    MemorySegment out = Floats.zeros(count);
    for (int i = 0; i < count; i++) {
      in.setAtIndex(ValueLayout.JAVA_INT, i, i * 16_381);
    }
    kernel.apply(in, out, count);
    long sum = 0;
    for (int i = 0; i < count; i++) {
      sum = 31 * sum + Float.floatToIntBits(Floats.get(out, i));
    }
    return sum;
  }

  @Test
  void expAtSpecialValues() {
    checkBits(
        VectorMathKernels::exp,
        new float[] {0, -0f, INF, -INF, Float.NaN, SUBNORMAL, Float.MAX_VALUE, 89, -104, -105},
        new float[] {1, 1, INF, 0, Float.NaN, 1, INF, INF, 0, 0});
  }

  @Test
  void expGoesGraduallyThroughTheSubnormalNumbers() {
    // exp(-103.5) = 1.12e-45 lies nearest to the smallest float, 1.40e-45.
    checkBits(
        VectorMathKernels::exp,
        new float[] {-103.5f, -100, -90},
        new float[] {Float.MIN_VALUE, (float) Math.exp(-100), (float) Math.exp(-90)});
  }

  @Test
  void tanhAtSpecialValues() {
    checkBits(
        VectorMathKernels::tanh,
        new float[] {
          0,
          -0f,
          INF,
          -INF,
          Float.NaN,
          Float.MAX_VALUE,
          -Float.MAX_VALUE,
          SUBNORMAL,
          -SUBNORMAL,
          Float.MIN_VALUE,
          -Float.MIN_VALUE,
          Float.MIN_NORMAL,
          1e-20f,
          -1e-5f
        },
        new float[] {
          0,
          -0f,
          1,
          -1,
          Float.NaN,
          1,
          -1,
          SUBNORMAL,
          -SUBNORMAL,
          Float.MIN_VALUE,
          -Float.MIN_VALUE,
          Float.MIN_NORMAL,
          1e-20f,
          -1e-5f
        });
  }

  @Test
  void sigmoidAtSpecialValues() {
    checkBits(
        VectorMathKernels::sigmoid,
        new float[] {
          0, -0f, INF, -INF, Float.NaN, Float.MAX_VALUE, -Float.MAX_VALUE, SUBNORMAL, -103.5f, -100
        },
        new float[] {
          0.5f, 0.5f, 1, 0, Float.NaN, 1, 0, 0.5f, Float.MIN_VALUE, (float) Math.exp(-100)
        });
  }

  @Test
  void erfAtSpecialValues() {
    checkBits(
        VectorMathKernels::erf,
        new float[] {0, -0f, INF, -INF, Float.NaN, Float.MAX_VALUE, -Float.MAX_VALUE},
        new float[] {0, -0f, 1, -1, Float.NaN, 1, -1});
  }

  private static void checkBits(UlpSweep.Kernel kernel, float[] in, float[] expected) {
    assertEquals(in.length, expected.length);
    int count = Floats.wholeVectors(in.length);
    MemorySegment out = Floats.zeros(count);
    kernel.apply(Floats.of(in), out, count);
    for (int i = 0; i < in.length; i++) {
      // Boxed equality tells -0 from 0 and holds NaN equal to NaN.
      assertEquals((Float) expected[i], (Float) Floats.get(out, i), "at " + in[i]);
    }
  }
}
