package dev.borealis.internal.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.SplineGrid;
import org.junit.jupiter.api.Test;

class CubicSplineTest {
  private static final SplineGrid GRID = SplineGrid.DEFAULT;

  private static double sum(double z) {
    double sum = 0;
    for (int m = 0; m < GRID.bases(); m++) {
      sum += CubicSpline.basis(GRID, m, z);
    }
    return sum;
  }

  @Test
  void basesSumToOneInsideTheGrid() {
    for (double z = -1; z <= 1; z += 0.01) {
      assertEquals(1, sum(z), 1e-14, "z = " + z);
    }
  }

  @Test
  void basesVanishOutsideTheExtendedSupport() {
    double reach = 1 + 3 * GRID.step();
    assertEquals(0, sum(reach + 1e-9), 0);
    assertEquals(0, sum(-reach - 1e-9), 0);
    assertTrue(sum(reach - 0.1) > 0);
    assertEquals(0, sum(Double.POSITIVE_INFINITY), 0);
    assertTrue(Double.isNaN(sum(Double.NaN)));
  }

  /** Proposition 2.2 of arXiv 2505.18738 rests on these two maxima. */
  @Test
  void maximaOfBasisAndSlope() {
    double h = GRID.step();
    double basis = 0;
    double slope = 0;
    for (double z = -2; z <= 2; z += 1e-4) {
      for (int m = 0; m < GRID.bases(); m++) {
        basis = Math.max(basis, CubicSpline.basis(GRID, m, z));
        slope = Math.max(slope, Math.abs(CubicSpline.slope(GRID, m, z)));
      }
    }
    assertEquals(2.0 / 3, basis, 1e-6);
    assertEquals(2.0 / 3 / h, slope, 1e-6);
  }
}
