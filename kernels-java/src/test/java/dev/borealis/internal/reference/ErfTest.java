package dev.borealis.internal.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ErfTest {
  /** x, erf(x), erfc(x), computed with 40 digits and rounded to double. */
  private static final double[][] KNOWN = {
    {1e-300, 1.1283791670955126e-300, 1.0},
    {1e-8, 1.1283791670955126e-08, 0.9999999887162083},
    {0.1, 0.1124629160182849, 0.887537083981715},
    {0.5, 0.5204998778130465, 0.4795001221869535},
    {0.84375, 0.7672256612323416, 0.23277433876765838},
    {1.0, 0.8427007929497149, 0.15729920705028513},
    {1.25, 0.9229001282564583, 0.07709987174354177},
    {1.5, 0.9661051464753108, 0.033894853524689274},
    {1.75, 0.9866716712191824, 0.013328328780817557},
    {2.0, 0.9953222650189527, 0.004677734981047266},
    {2.25, 0.9985372834133188, 0.0014627165866811518},
    {2.5, 0.999593047982555, 0.0004069520174449589},
    {3.0, 0.9999779095030014, 2.209049699858544e-05},
    {3.5, 0.9999992569016276, 7.430983723414128e-07},
    {4.0, 0.9999999845827421, 1.541725790028002e-08},
    {5.0, 0.9999999999984626, 1.537459794428035e-12},
    {6.0, 1.0, 2.1519736712498913e-17},
    {10.0, 1.0, 2.088487583762545e-45},
    {20.0, 1.0, 5.395865611607901e-176},
    {26.0, 1.0, 5.663192408856143e-296},
  };

  @Test
  void knownValues() {
    for (double[] row : KNOWN) {
      double x = row[0];
      assertEquals(row[1], Erf.erf(x), 4 * Math.ulp(row[1]), "erf " + x);
      assertEquals(-row[1], Erf.erf(-x), 4 * Math.ulp(row[1]), "erf " + -x);
      // exp(−x²) alone loses x² ulp when x² is rounded.
      double tolerance = (16 + x * x) * Math.ulp(row[2]);
      assertEquals(row[2], Erf.erfc(x), tolerance, "erfc " + x);
      assertEquals(1 + row[1], Erf.erfc(-x), 4 * Math.ulp(2.0), "erfc " + -x);
    }
  }

  @Test
  void specialValues() {
    assertEquals(0.0, Erf.erf(0.0));
    assertEquals(-0.0, Erf.erf(-0.0));
    assertEquals(1.0, Erf.erf(Double.POSITIVE_INFINITY));
    assertEquals(-1.0, Erf.erf(Double.NEGATIVE_INFINITY));
    assertEquals(0.0, Erf.erfc(Double.POSITIVE_INFINITY));
    assertEquals(2.0, Erf.erfc(Double.NEGATIVE_INFINITY));
    assertTrue(Double.isNaN(Erf.erf(Double.NaN)));
    assertTrue(Double.isNaN(Erf.erfc(Double.NaN)));
  }

  @Test
  void seriesMeetsFraction() {
    double below = Math.nextDown(1.5);
    assertEquals(Erf.erfc(1.5), Erf.erfc(below), 8e-16);
    assertEquals(Erf.erf(1.5), Erf.erf(below), 8e-16);
  }
}
