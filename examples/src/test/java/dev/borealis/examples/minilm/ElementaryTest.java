package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class ElementaryTest {

  @Test
  void expAgreesWithTheJdk() {
    for (double x = -20; x <= 0; x += 1.0 / 64) {
      assertEquals(1, Elementary.exp(x) / Math.exp(x), 1e-12, "x = " + x);
    }
    for (double x = -87; x <= -20; x += 1.0 / 16) {
      assertEquals(1, Elementary.exp(x) / Math.exp(x), 1e-6, "x = " + x);
    }
    assertEquals(Math.exp(-87), Elementary.exp(Double.NEGATIVE_INFINITY), 1e-43);
  }

  @Test
  void erfcAgreesWithItsSeries() {
    for (double x = 0; x <= 4; x += 1.0 / 64) {
      assertEquals(1 - erf(x), Elementary.erfc((float) x), 2e-6, "x = " + x);
    }
    assertEquals(0, Elementary.erfc(40), 1e-12);
    assertEquals(0, Elementary.erfc(Float.MAX_VALUE));
  }

  @Test
  void geluIsXTimesTheNormalDistribution() {
    for (double x = -5; x <= 5; x += 1.0 / 64) {
      double phi = 0.5 * (1 + Math.signum(x) * erf(Math.abs(x) * Math.sqrt(0.5)));
      double density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
      assertEquals(x * phi, Gelu.value((float) x), 2e-6, "x = " + x);
      assertEquals(phi, Gelu.distribution((float) x), 2e-6, "x = " + x);
      assertEquals(density, Gelu.density((float) x), 1e-7, "x = " + x);
    }
    assertEquals(1e30f, Gelu.value(1e30f));
    assertEquals(0, Gelu.value(-1e30f), 0);
  }

  /** {@code 2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))}: no cancellation, converges for all x. */
  private static double erf(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; term > 1e-18 * sum; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
}
