package dev.borealis.internal.reference;

import dev.borealis.adapter.SplineGrid;

/**
 * The bases of a uniform cubic B-spline. With centre {@code c_m = min + (m − 1)h} and {@code d = (z
 * − c_m)/h}: {@code b_m = (max(0, 2 − |d|)³ − 4 max(0, 1 − |d|)³)/6}; 0 for |d| ≥ 2.
 */
final class CubicSpline {
  private CubicSpline() {}

  /** {@return b_m(z)} */
  static double basis(SplineGrid grid, int m, double z) {
    double d = Math.abs(offset(grid, m, z));
    double outer = Math.max(0, 2 - d);
    double inner = Math.max(0, 1 - d);
    return (outer * outer * outer - 4 * inner * inner * inner) / 6;
  }

  /** {@return b'_m(z), by z} */
  static double slope(SplineGrid grid, int m, double z) {
    double d = offset(grid, m, z);
    double outer = Math.max(0, 2 - Math.abs(d));
    double inner = Math.max(0, 1 - Math.abs(d));
    return Math.signum(d) / (2 * grid.step()) * (4 * inner * inner - outer * outer);
  }

  private static double offset(SplineGrid grid, int m, double z) {
    double h = grid.step();
    return (z - (grid.min() + (m - 1) * h)) / h;
  }
}
