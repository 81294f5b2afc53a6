package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The error bounds of docs/NUMERICS.md over all 2^32 floats. Takes minutes. */
@Tag("exhaustive")
class VectorMathExhaustiveTest {

  @Test
  void exp() {
    check("exp", 2, VectorMathKernels::exp, Truth::exp);
  }

  @Test
  void tanh() {
    check("tanh", 2, VectorMathKernels::tanh, Truth::tanh);
  }

  @Test
  void sigmoid() {
    check("sigmoid", 2, VectorMathKernels::sigmoid, Truth::sigmoid);
  }

  @Test
  void erf() {
    check("erf", 4, VectorMathKernels::erf, Truth::erf);
  }

  private static void check(
      String name, double bound, UlpSweep.Kernel kernel, DoubleUnaryOperator truth) {
    UlpSweep sweep = UlpSweep.over(1, kernel, truth);
    System.out.printf("%s: %.3f ULP at %s (%a)%n", name, sweep.maxUlp(), sweep.at(), sweep.at());
    assertEquals(1L << 32, sweep.count(), name);
    assertTrue(sweep.maxUlp() <= bound, () -> name + ": " + sweep);
  }
}
