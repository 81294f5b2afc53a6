package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every activation and derivative against its formula in double precision. */
@Tag("widths")
class ElementwiseTest {

  private static final float INF = Float.POSITIVE_INFINITY;

  interface Forward {
    void apply(MemorySegment z, long zOffset, MemorySegment dst, long dstOffset, int count);
  }

  interface Backward {
    void apply(
        MemorySegment z,
        long zOffset,
        MemorySegment g,
        long gOffset,
        MemorySegment dst,
        long dstOffset,
        int count);
  }

  static Stream<Arguments> forwards() {
    return Stream.of(
        forward("relu", Elementwise::relu, z -> Math.max(0, z)),
        forward("leakyRelu", Elementwise::leakyRelu, z -> z > 0 ? z : 0.01 * z),
        forward("gelu", Elementwise::gelu, Truth::gelu),
        forward("geluTanh", Elementwise::geluTanh, Truth::geluTanh),
        forward("silu", Elementwise::silu, z -> Truth.swish(1, z)),
        forward("tanh", Elementwise::tanh, Truth::tanh),
        forward("sigmoid", Elementwise::sigmoid, Truth::sigmoid),
        swish(1.5f),
        swish(-0.75f),
        swish(0),
        swish(30));
  }

  private static Arguments forward(String name, Forward kernel, DoubleUnaryOperator truth) {
    return arguments(name, kernel, truth);
  }

  private static Arguments swish(float beta) {
    return forward(
        "swish " + beta,
        (z, zo, d, o, n) -> Elementwise.swish(beta, z, zo, d, o, n),
        z -> Truth.swish(beta, z));
  }

  static Stream<Arguments> backwards() {
    return Stream.of(
        backward("relu", Elementwise::reluBackward, z -> z > 0 ? 1 : 0),
        backward("leakyRelu", Elementwise::leakyReluBackward, z -> z > 0 ? 1 : 0.01),
        backward("gelu", Elementwise::geluBackward, Truth::geluDerivative),
        backward("geluTanh", Elementwise::geluTanhBackward, Truth::geluTanhDerivative),
        backward("silu", Elementwise::siluBackward, z -> Truth.swishDerivative(1, z)),
        backward("tanh", Elementwise::tanhBackward, z -> 1 - Math.pow(Math.tanh(z), 2)),
        backward(
            "sigmoid", Elementwise::sigmoidBackward, z -> Truth.sigmoid(z) * Truth.sigmoid(-z)),
        swishBackward(1.5f),
        swishBackward(-0.75f),
        swishBackward(0),
        swishBackward(30),
        swishBetaBackward(1.5f),
        swishBetaBackward(-0.75f),
        swishBetaBackward(30));
  }

  private static Arguments backward(String name, Backward kernel, DoubleUnaryOperator slope) {
    return arguments(name, kernel, slope);
  }

  private static Arguments swishBackward(float beta) {
    return backward(
        "swish " + beta,
        (z, zo, g, go, d, o, n) -> Elementwise.swishBackward(beta, z, zo, g, go, d, o, n),
        z -> Truth.swishDerivative(beta, z));
  }

  private static Arguments swishBetaBackward(float beta) {
    return backward(
        "swish beta " + beta,
        (z, zo, g, go, d, o, n) -> Elementwise.swishBetaBackward(beta, z, zo, g, go, d, o, n),
        z -> Truth.swishBetaDerivative(beta, z));
  }

  /** A dense sweep of [-20, 20], both zeros, and magnitudes up to the largest float. */
  private static MemorySegment inputs() {
    float[] values = new float[20_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i - 10_000) / 500f + 1e-4f * (i % 7);
    }
    int at = 0;
    for (int exponent = -149; exponent < 128; exponent++) {
      values[at++] = Math.scalb(1.3f, exponent);
      values[at++] = -Math.scalb(1.3f, exponent);
    }
    values[at++] = 0;
    values[at++] = -0f;
    values[at++] = Float.MAX_VALUE;
    values[at] = -Float.MAX_VALUE;
    return Floats.of(values);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forwards")
  void forwardMatchesTheFormula(String name, Forward kernel, DoubleUnaryOperator truth) {
    MemorySegment z = inputs();
    int count = (int) (z.byteSize() / Float.BYTES);
    MemorySegment out = Floats.zeros(count);
    kernel.apply(z, 0, out, 0, count);
    for (int i = 0; i < count; i++) {
      float x = Floats.get(z, i);
      double expected = truth.applyAsDouble(x);
      double tolerance = 3e-7 * Math.max(1, Math.abs(x));
      assertEquals(expected, Floats.get(out, i), tolerance, () -> name + " at " + x);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backwards")
  void backwardMatchesTheFormula(String name, Backward kernel, DoubleUnaryOperator slope) {
    MemorySegment z = inputs();
    int count = (int) (z.byteSize() / Float.BYTES);
    MemorySegment g = Floats.zeros(count);
    for (int i = 0; i < count; i++) {
      g.setAtIndex(ValueLayout.JAVA_FLOAT, i, 2 + i % 3);
    }
    MemorySegment out = Floats.zeros(count);
    kernel.apply(z, 0, g, 0, out, 0, count);
    for (int i = 0; i < count; i++) {
      float x = Floats.get(z, i);
      double factor = slope.applyAsDouble(x);
      double expected = Floats.get(g, i) * factor;
      double tolerance = 2e-6 * Math.max(1, Math.abs(factor));
      assertEquals(expected, Floats.get(out, i), tolerance, () -> name + " at " + x);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forwards")
  void forwardWorksInPlaceAndAtOffsets(String name, Forward kernel, DoubleUnaryOperator truth) {
    int count = 3 * Species.LANES;
    MemorySegment z = Floats.zeros(count + 5);
    for (int i = 0; i < count + 5; i++) {
      z.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.3f * i - 4);
    }
    MemorySegment out = Floats.filled(count + 5, 77);
    kernel.apply(z, 4, out, 12, count);
    kernel.apply(z, 4, z, 4, count);
    assertEquals(-4, Floats.get(z, 0), name);
    assertArrayEquals(floats(z, 1, count), floats(out, 3, count), name);
    assertEquals(truth.applyAsDouble(0.3f * 1 - 4), Floats.get(out, 3), 1e-5, name);
    assertEquals(77, Floats.get(out, 2), name);
    assertEquals(77, Floats.get(out, count + 3), name);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backwards")
  void backwardWorksInPlace(String name, Backward kernel, DoubleUnaryOperator slope) {
    int count = 2 * Species.LANES;
    MemorySegment z = Floats.zeros(count);
    for (int i = 0; i < count; i++) {
      z.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.3f * i - 2);
    }
    MemorySegment g = Floats.filled(count, -1.5f);
    MemorySegment out = Floats.zeros(count);
    kernel.apply(z, 0, g, 0, out, 0, count);
    kernel.apply(z, 0, g, 0, g, 0, count);
    assertArrayEquals(floats(out, 0, count), floats(g, 0, count), name);
    assertEquals(-1.5 * slope.applyAsDouble(-2), Floats.get(out, 0), 1e-5, name);
    MemorySegment ones = Floats.filled(count, -1.5f);
    kernel.apply(z, 0, ones, 0, z, 0, count);
    assertArrayEquals(floats(out, 0, count), floats(z, 0, count), name);
  }

  private static float[] floats(MemorySegment segment, int from, int count) {
    float[] values = new float[count];
    MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT, 4L * from, values, 0, count);
    return values;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forwards")
  void forwardGivesNaNOnlyForNaN(String name, Forward kernel, DoubleUnaryOperator truth) {
    assertTrue(Float.isNaN(forward(kernel, Float.NaN)), name);
    for (int exponent = -149; exponent < 128; exponent++) {
      float z = Math.scalb(1.9f, exponent);
      assertFalse(Float.isNaN(forward(kernel, z)), () -> name + " at " + z);
      assertFalse(Float.isNaN(forward(kernel, -z)), () -> name + " at " + -z);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backwards")
  void backwardGivesNaNOnlyForNaN(String name, Backward kernel, DoubleUnaryOperator slope) {
    // The step functions hand the gradient on without looking at how far z is.
    if (!name.endsWith("elu") || name.equals("gelu")) {
      assertTrue(Float.isNaN(backward(kernel, Float.NaN, 1)), name);
    }
    for (int exponent = -149; exponent < 128; exponent++) {
      float z = Math.scalb(1.9f, exponent);
      assertFalse(Float.isNaN(backward(kernel, z, 1)), () -> name + " at " + z);
      assertFalse(Float.isNaN(backward(kernel, -z, 1)), () -> name + " at " + -z);
    }
  }

  @Test
  void infinitiesFollowTheFormulas() {
    assertEquals(INF, forward(Elementwise::relu, INF));
    assertEquals(0, forward(Elementwise::relu, -INF));
    assertEquals(-INF, forward(Elementwise::leakyRelu, -INF));
    assertEquals(INF, forward(Elementwise::gelu, INF));
    assertEquals(INF, forward(Elementwise::geluTanh, INF));
    assertEquals(INF, forward(Elementwise::silu, INF));
    // -Inf·0, as in PyTorch.
    assertTrue(Float.isNaN(forward(Elementwise::gelu, -INF)));
    assertTrue(Float.isNaN(forward(Elementwise::geluTanh, -INF)));
    assertTrue(Float.isNaN(forward(Elementwise::silu, -INF)));
    assertEquals(0, backward(Elementwise::tanhBackward, INF, 3));
    assertEquals(0, backward(Elementwise::sigmoidBackward, -INF, 3));
    assertTrue(Float.isNaN(backward(Elementwise::siluBackward, INF, 3)));
    assertTrue(Float.isNaN(backward(Elementwise::geluBackward, -INF, 3)));
  }

  @Test
  void theStepsOfReluAndLeakyReluLieAtZero() {
    for (float zero : new float[] {0f, -0f}) {
      assertEquals(0, backward(Elementwise::reluBackward, zero, 5));
      assertEquals(0.05f, backward(Elementwise::leakyReluBackward, zero, 5), 1e-7f);
    }
    assertEquals(5, backward(Elementwise::reluBackward, Float.MIN_VALUE, 5));
    assertEquals(5, backward(Elementwise::leakyReluBackward, Float.MIN_VALUE, 5));
    assertEquals(0, backward(Elementwise::reluBackward, -1, INF));
  }

  @Test
  void swishStaysFiniteWhereBetaTimesZOverflows() {
    float[] zs = {3e38f, -3e38f};
    for (float z : zs) {
      assertFalse(
          Float.isNaN(
              backward(
                  (a, ao, g, go, d, o, n) -> Elementwise.swishBackward(30, a, ao, g, go, d, o, n),
                  z,
                  1)));
    }
  }

  private static float forward(Forward kernel, float z) {
    MemorySegment segment = Floats.filled(Species.LANES, z);
    kernel.apply(segment, 0, segment, 0, Species.LANES);
    return Floats.get(segment, 0);
  }

  private static float backward(Backward kernel, float z, float g) {
    MemorySegment segment = Floats.filled(Species.LANES, z);
    MemorySegment gradient = Floats.filled(Species.LANES, g);
    kernel.apply(segment, 0, gradient, 0, gradient, 0, Species.LANES);
    return Floats.get(gradient, 0);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forwards")
  void refusesBadCallsBeforeWriting(String name, Forward kernel, DoubleUnaryOperator truth) {
    int count = 2 * Species.LANES;
    MemorySegment z = Floats.filled(count, 1);
    MemorySegment out = Floats.filled(count, 77);
    assertThrows(
        IllegalArgumentException.class, () -> kernel.apply(z, 0, out, 0, Species.LANES + 1), name);
    assertThrows(
        IllegalArgumentException.class, () -> kernel.apply(z, 0, out, 0, -Species.LANES), name);
    assertThrows(IndexOutOfBoundsException.class, () -> kernel.apply(z, 4, out, 0, count), name);
    assertThrows(IndexOutOfBoundsException.class, () -> kernel.apply(z, 0, out, 4, count), name);
    assertThrows(IndexOutOfBoundsException.class, () -> kernel.apply(z, -4, out, 0, count), name);
    assertArrayEquals(floats(Floats.filled(count, 77), 0, count), floats(out, 0, count), name);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("backwards")
  void refusesShortGradients(String name, Backward kernel, DoubleUnaryOperator slope) {
    int count = 2 * Species.LANES;
    MemorySegment z = Floats.filled(count, 1);
    MemorySegment out = Floats.filled(count, 77);
    MemorySegment g = Floats.filled(Species.LANES, 1);
    var thrown =
        assertThrows(
            IndexOutOfBoundsException.class, () -> kernel.apply(z, 0, g, 0, out, 0, count), name);
    assertTrue(thrown.toString().contains(": g: expected " + 4 * count), thrown::toString);
    assertEquals(77, Floats.get(out, 0), name);
  }
}
