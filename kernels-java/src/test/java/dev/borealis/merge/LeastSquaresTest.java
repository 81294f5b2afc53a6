package dev.borealis.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LeastSquaresTest {
  /** The line through (0, 1), (1, 2), (2, 4): slope 3/2, intercept 5/6. */
  @Test
  void fitsALineByHand() {
    double[] line = solve(new double[] {1, 0, 1, 1, 1, 2}, 2, new double[] {1, 2, 4}, 1);
    assertArrayEquals(new double[] {5.0 / 6, 1.5}, line, 1e-10);
  }

  @Test
  void recoversAMapWhateverTheColumnsScales() {
    var random = new Random(2);
    double[] map = random.doubles(4 * 3, -1, 1).toArray();
    double[] scales = {1e-6, 1, 1e3, 1e8};
    double[] z = new double[50 * 4];
    double[] u = new double[50 * 3];
    for (int i = 0; i < z.length; i++) {
      z[i] = random.nextGaussian() * scales[i % 4];
    }
    for (int row = 0; row < 50; row++) {
      for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 4; i++) {
          u[row * 3 + j] += z[row * 4 + i] * map[i * 3 + j] / scales[i];
        }
      }
    }
    double[] found = solve(z, 4, u, 3);
    for (int i = 0; i < found.length; i++) {
      assertEquals(map[i], found[i] * scales[i / 3], 1e-9);
    }
  }

  @Test
  void residualOfDependentOrTooFewRowsIsStillTheLeast() {
    // Two equal columns and one of zeros; two rows for three unknowns.
    double[] z = {1, 1, 0, 2, 2, 0};
    double[] found = solve(z, 3, new double[] {3, 6}, 1);
    assertTrue(Arrays.stream(found).allMatch(Double::isFinite), Arrays.toString(found));
    assertEquals(3, found[0] + found[1], 1e-6);
    assertEquals(0, found[2]);
  }

  private static double[] solve(double[] z, int k, double[] u, int r) {
    return LeastSquares.solve(
        LeastSquares.product(z, k, z, k), k, LeastSquares.product(z, k, u, r), r);
  }
}
