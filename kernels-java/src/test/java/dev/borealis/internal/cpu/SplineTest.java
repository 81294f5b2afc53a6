package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Bases and rows of weights against the closed form in double precision. */
@Tag("widths")
class SplineTest {

  private static final float INF = Float.POSITIVE_INFINITY;
  private static final double TOLERANCE = 1e-6;

  static Stream<Arguments> grids() {
    double[][] ranges = {{-1, 1}, {-0.7, 1.9}, {0, 1e-3}, {5.3, 6.1}, {-20, -19.3}, {-3, 8e5}};
    List<Arguments> grids = new ArrayList<>();
    for (int size : new int[] {1, 2, 5, 8, 10, 11, 13, 64}) {
      for (double[] range : ranges) {
        grids.add(arguments(range[0], range[1], size));
      }
    }
    return grids.stream();
  }

  /** Every knot, the floats on both its sides, and points between and far outside. */
  private static MemorySegment points(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    List<Float> points = new ArrayList<>(List.of(0f, -0f, 1e30f, -1e30f));
    for (int k = -5; k <= size + 5; k++) {
      float knot = (float) (lo + k * h);
      points.addAll(List.of(Math.nextDown(knot), knot, Math.nextUp(knot)));
      for (int i = 1; i < 12; i++) {
        points.add((float) (lo + (k + i / 12.) * h));
      }
    }
    float[] values = new float[points.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = points.get(i);
    }
    return Floats.of(values);
  }

  private static int count(MemorySegment segment) {
    return (int) (segment.byteSize() / Float.BYTES);
  }

  @ParameterizedTest(name = "[{0}, {1}] / {2}")
  @MethodSource("grids")
  void basesMatchTheClosedForm(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    int bases = size + 3;
    MemorySegment z = points(lo, hi, size);
    int count = count(z);
    long stride = 4L * count + 64;
    int rows = (int) (bases * stride / 4);
    MemorySegment value = Floats.filled(rows, Float.NaN);
    BSpline.sumBases(lo, h, bases, z, 0, 4L * count, 1, value, 0, stride, count);
    for (int m = 0; m < bases; m++) {
      for (int i = 0; i < count; i++) {
        double x = Floats.get(z, i);
        double b = Truth.basis(lo, h, m, x);
        assertEquals(b, Floats.get(value, (int) (m * stride / 4) + i), TOLERANCE, "b at " + x);
      }
    }
  }

  /** Three rows: the points as they are, backwards, and zero. */
  private static MemorySegment rows(MemorySegment points) {
    int count = count(points);
    MemorySegment rows = Floats.zeros(3 * count);
    for (int i = 0; i < count; i++) {
      rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, Floats.get(points, i));
      rows.setAtIndex(ValueLayout.JAVA_FLOAT, 2L * count - 1 - i, Floats.get(points, i));
    }
    return rows;
  }

  @ParameterizedTest(name = "[{0}, {1}] / {2}")
  @MethodSource("grids")
  void sumsOfBasesMatchTheClosedForm(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    int bases = size + 3;
    MemorySegment points = points(lo, hi, size);
    int count = count(points);
    MemorySegment z = rows(points);
    MemorySegment sums = Floats.filled(bases * count, Float.NaN);
    BSpline.sumBases(lo, h, bases, z, 0, 4L * count, 3, sums, 0, 4L * count, count);
    for (int m = 0; m < bases; m++) {
      for (int i = 0; i < count; i++) {
        double expected = 0;
        for (int k = 0; k < 3; k++) {
          expected += Truth.basis(lo, h, m, Floats.get(z, k * count + i));
        }
        assertEquals(expected, Floats.get(sums, m * count + i), 3 * TOLERANCE);
      }
    }
  }

  @ParameterizedTest(name = "[{0}, {1}] / {2}")
  @MethodSource("grids")
  void gradientMatchesTheClosedForm(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    int bases = size + 3;
    MemorySegment points = points(lo, hi, size);
    int count = count(points);
    MemorySegment z = rows(points);
    MemorySegment g = Floats.zeros(bases * count);
    Random random = new Random(size);
    for (int i = 0; i < bases * count; i++) {
      g.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat(-1, 1));
    }
    MemorySegment out = Floats.filled(3 * count, 1);
    BSpline.addGradient(lo, h, bases, z, 0, 4L * count, 3, g, 0, 4L * count, out, 0, count);
    for (int i = 0; i < 3 * count; i++) {
      double x = Floats.get(z, i);
      double expected = 1;
      for (int m = 0; m < bases; m++) {
        expected += Floats.get(g, m * count + i % count) * Truth.basisDerivative(lo, h, m, x);
      }
      double tolerance = 2 * TOLERANCE / h + 1e-6;
      assertEquals(expected, Floats.get(out, i), tolerance, "at " + x);
    }
  }

  @ParameterizedTest(name = "[{0}, {1}] / {2}")
  @MethodSource("grids")
  void rowsMatchTheClosedForm(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    int bases = size + 3;
    Random random = new Random(size);
    SplineTable table = new SplineTable(lo, hi, size);
    MemorySegment z = points(lo, hi, size);
    int count = count(z);
    // Random weights, and the worst case for the slope: alternating ones.
    for (boolean alternating : new boolean[] {false, true}) {
      float[] w = new float[bases];
      for (int m = 0; m < bases; m++) {
        w[m] = alternating ? 1 - 2 * (m % 2) : random.nextFloat(-1, 1);
      }
      table.pack(Floats.of(w), 0);
      MemorySegment value = Floats.filled(count, Float.NaN);
      MemorySegment added = Floats.filled(count, 0.5f);
      MemorySegment g = Floats.filled(count, 0.75f);
      MemorySegment slope = Floats.filled(count, 1);
      SplineRow.forward(table, z, 0, value, 0, count);
      SplineRow.addForward(table, z, 0, added, 0, count);
      SplineRow.addBackward(table, z, 0, g, 0, slope, 0, count);
      for (int i = 0; i < count; i++) {
        double x = Floats.get(z, i);
        double s = 0;
        double ds = 0;
        for (int m = 0; m < bases; m++) {
          s += w[m] * Truth.basis(lo, h, m, x);
          ds += w[m] * Truth.basisDerivative(lo, h, m, x);
        }
        assertEquals(s, Floats.get(value, i), TOLERANCE, "s at " + x);
        assertEquals(0.5 + s, Floats.get(added, i), TOLERANCE, "0.5 + s at " + x);
        double tolerance = TOLERANCE / h + 1e-6;
        assertEquals(1 + 0.75 * ds, Floats.get(slope, i), tolerance, "s' at " + x);
      }
    }
  }

  @ParameterizedTest(name = "[{0}, {1}] / {2}")
  @MethodSource("grids")
  void outsideTheSupportAllIsExactlyZero(double lo, double hi, int size) {
    double h = (hi - lo) / size;
    // A little more than the support, because its end may lie between two floats.
    float below = (float) (lo - 3.01 * h);
    float above = (float) (hi + 3.01 * h);
    float[] outside = {below, above, -1e38f, 1e38f, -INF, INF, -Float.MAX_VALUE, Float.MAX_VALUE};
    int count = Floats.wholeVectors(outside.length);
    MemorySegment z = Floats.filled(count, INF);
    MemorySegment.copy(outside, 0, z, ValueLayout.JAVA_FLOAT, 0, outside.length);
    int bases = size + 3;
    SplineTable table = new SplineTable(lo, hi, size);
    table.pack(Floats.filled(bases, 1), 0);
    MemorySegment value = Floats.filled(count, Float.NaN);
    MemorySegment slope = Floats.filled(count, 0);
    SplineRow.forward(table, z, 0, value, 0, count);
    SplineRow.addBackward(table, z, 0, Floats.filled(count, 1), 0, slope, 0, count);
    MemorySegment rows = Floats.filled(bases * count, Float.NaN);
    BSpline.sumBases(lo, h, bases, z, 0, 0, 1, rows, 0, 4L * count, count);
    MemorySegment gradient = Floats.zeros(count);
    MemorySegment ones = Floats.filled(bases * count, 1);
    BSpline.addGradient(lo, h, bases, z, 0, 0, 1, ones, 0, 4L * count, gradient, 0, count);
    for (int i = 0; i < count; i++) {
      assertEquals(0f, Floats.get(value, i), "s at " + Floats.get(z, i));
      assertEquals(0f, Floats.get(slope, i), "s' at " + Floats.get(z, i));
      assertEquals(0f, Floats.get(gradient, i), "gradient at " + Floats.get(z, i));
      for (int row = 0; row < bases; row++) {
        assertEquals(0f, Floats.get(rows, row * count + i), "row " + row);
      }
    }
  }

  @Test
  void nanGivesNaN() {
    int count = Species.LANES;
    MemorySegment z = Floats.filled(count, Float.NaN);
    for (int size : new int[] {1, 5, 64}) {
      SplineTable table = new SplineTable(-1, 1, size);
      table.pack(Floats.filled(size + 3, 1), 0);
      MemorySegment out = Floats.zeros((size + 3) * count);
      SplineRow.forward(table, z, 0, out, 0, count);
      assertTrue(Float.isNaN(Floats.get(out, 0)));
      MemorySegment slope = Floats.zeros(count);
      SplineRow.addBackward(table, z, 0, Floats.filled(count, 1), 0, slope, 0, count);
      assertTrue(Float.isNaN(Floats.get(slope, 0)));
      int bases = size + 3;
      BSpline.sumBases(-1, 2. / size, bases, z, 0, 0, 1, out, 0, 4L * count, count);
      MemorySegment gradient = Floats.zeros(count);
      BSpline.addGradient(
          -1,
          2. / size,
          bases,
          z,
          0,
          0,
          1,
          Floats.zeros(bases * count),
          0,
          4L * count,
          gradient,
          0,
          count);
      assertTrue(Float.isNaN(Floats.get(gradient, 0)));
      for (int m = 0; m < bases; m++) {
        assertTrue(Float.isNaN(Floats.get(out, m * count)));
      }
    }
  }

  @Test
  void packingAgainReplacesTheWeights() {
    int count = Species.LANES;
    MemorySegment z = Floats.filled(count, 0.1f);
    MemorySegment out = Floats.zeros(count);
    SplineTable table = new SplineTable(-1, 1, 5);
    SplineRow.forward(table, z, 0, out, 0, count);
    assertEquals(0, Floats.get(out, 0));
    // The bases sum to 1 on the grid; the weights begin one float in.
    table.pack(Floats.filled(9, 1), 4);
    SplineRow.forward(table, z, 0, out, 0, count);
    assertEquals(1, Floats.get(out, 0), TOLERANCE);
    table.pack(Floats.filled(8, -3), 0);
    SplineRow.forward(table, z, 0, out, 0, count);
    assertEquals(-3, Floats.get(out, 0), 3 * TOLERANCE);
  }

  @Test
  void worksInPlaceAndAtOffsets() {
    int count = 2 * Species.LANES;
    SplineTable table = new SplineTable(-1, 1, 5);
    table.pack(Floats.of(.1f, -.2f, .3f, .4f, -.5f, .6f, .7f, -.8f), 0);
    MemorySegment z = Floats.zeros(count + 3);
    for (int i = 0; i < count + 3; i++) {
      z.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.2f * i - 1.5f);
    }
    MemorySegment out = Floats.filled(count + 3, 77);
    SplineRow.forward(table, z, 8, out, 4, count);
    SplineRow.forward(table, z, 8, z, 8, count);
    for (int i = 0; i < count; i++) {
      assertEquals(Floats.get(out, i + 1), Floats.get(z, i + 2));
    }
    assertEquals(77, Floats.get(out, 0));
    assertEquals(77, Floats.get(out, count + 1));
  }

  @Test
  void refusesBadGrids() {
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(-1, 1, 0));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(-1, 1, 65));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(1, 1, 5));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(1, -1, 5));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(Double.NaN, 1, 5));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(0, INF, 5));
    assertThrows(IllegalArgumentException.class, () -> new SplineTable(1000, 1001, 5));
  }

  @Test
  void refusesBadCallsBeforeWriting() {
    int count = 2 * Species.LANES;
    SplineTable table = new SplineTable(-1, 1, 5);
    MemorySegment z = Floats.zeros(count);
    MemorySegment out = Floats.filled(8 * count, 77);
    assertThrows(IndexOutOfBoundsException.class, () -> table.pack(Floats.zeros(16), 4 * (16 - 7)));
    assertThrows(
        IllegalArgumentException.class, () -> SplineRow.forward(table, z, 0, out, 0, 1 + count));
    assertThrows(
        IndexOutOfBoundsException.class, () -> SplineRow.addForward(table, z, 4, out, 0, count));
    assertThrows(
        IndexOutOfBoundsException.class,
        () -> SplineRow.addBackward(table, z, 0, z, 4, out, 0, count));
    assertThrows(
        IndexOutOfBoundsException.class,
        () -> BSpline.sumBases(-1, 0.4, 8, z, 0, 0, 1, out, 4, 4L * count, count));
    assertThrows(
        IllegalArgumentException.class,
        () -> BSpline.sumBases(-1, 0, 8, z, 0, 0, 1, out, 0, 4L * count, count));
    assertThrows(
        IllegalArgumentException.class,
        () -> BSpline.sumBases(-1, 0.4, 0, z, 0, 0, 1, out, 0, 4L * count, count));
    for (int i = 0; i < 8 * count; i++) {
      assertEquals(77, Floats.get(out, i));
    }
  }
}
