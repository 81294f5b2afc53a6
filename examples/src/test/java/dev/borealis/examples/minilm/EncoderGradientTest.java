package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The backward pass against finite differences of the loss {@code Σ c·e}, c random. */
class EncoderGradientTest {
  /** Length of a step in W; the loss is a float computation, so much smaller steps drown in it. */
  private static final double STEP = 1e-2;

  private static final double TOLERANCE = 5e-4;

  private final List<NaiveProjection> projections = new ArrayList<>();
  private final List<String> names = new ArrayList<>();
  private Arena arena;
  private Encoder encoder;
  private EncoderWorkspace workspace;
  private float[][] coefficients;

  @BeforeEach
  void open() {
    arena = Arena.ofShared();
    build(Pooling.NORMALISED);
  }

  private void build(Pooling pooling) {
    projections.clear();
    names.clear();
    encoder =
        new Encoder(
            TinyModel.weights(arena),
            (layer, site, weights) -> {
              NaiveProjection projection = new NaiveProjection(weights);
              projections.add(projection);
              names.add("layer " + layer + " " + site);
              return projection;
            },
            pooling);
    workspace = new EncoderWorkspace(TinyModel.CONFIG, 32, true, arena);
    coefficients = random(TinyModel.BATCH.sentences(), TinyModel.CONFIG.hidden(), 11);
  }

  @AfterEach
  void free() {
    arena.close();
  }

  @ParameterizedTest
  @EnumSource
  void everyProjectionReceivesTheGradientOfItsWeights(Pooling pooling) {
    build(pooling);
    loss();
    encoder.backward(TinyModel.BATCH, coefficients, workspace);
    assertEquals(12, projections.size());
    for (int p = 0; p < projections.size(); p++) {
      float[][] gradient = projections.get(p).weightGradient();
      double norm = Math.sqrt(dot(gradient, gradient));
      assertTrue(norm > 1e-3, names.get(p) + ": no gradient arrived, its norm is " + norm);
      check(p, gradient, gradient, norm);
      for (int seed = 0; seed < 4; seed++) {
        check(p, random(gradient.length, gradient[0].length, seed), gradient, norm);
      }
    }
  }

  @Test
  void backwardNeedsAWorkspaceForTraining() {
    var inference = new EncoderWorkspace(TinyModel.CONFIG, 32, false, arena);
    encoder.forward(TinyModel.BATCH, inference);
    assertThrows(
        IllegalStateException.class,
        () -> encoder.backward(TinyModel.BATCH, coefficients, inference));
  }

  @Test
  void backwardNeedsAGradientForEachSentence() {
    loss();
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> encoder.backward(TinyModel.BATCH, new float[2][16], workspace));
    assertEquals("dEmbeddings: expected 3 rows, came 2", error.getMessage());
  }

  /** Compares the slope of the loss along a direction, scaled to length 1. */
  private void check(int p, float[][] direction, float[][] gradient, double norm) {
    float[][] weight = projections.get(p).weight();
    double length = Math.sqrt(dot(direction, direction));
    double expected = slope(weight, direction, STEP / length);
    double actual = dot(gradient, direction) / length;
    assertEquals(expected, actual, TOLERANCE * norm, names.get(p));
  }

  private double slope(float[][] weight, float[][] direction, double step) {
    add(weight, direction, step);
    double above = loss();
    add(weight, direction, -2 * step);
    double below = loss();
    add(weight, direction, step);
    return (above - below) / (2 * STEP);
  }

  private double loss() {
    return dot(encoder.forward(TinyModel.BATCH, workspace), coefficients);
  }

  private static double dot(float[][] a, float[][] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        sum += (double) a[i][j] * b[i][j];
      }
    }
    return sum;
  }

  private static void add(float[][] target, float[][] direction, double factor) {
    for (int i = 0; i < target.length; i++) {
      for (int j = 0; j < target[i].length; j++) {
        target[i][j] += (float) (factor * direction[i][j]);
      }
    }
  }

  private static float[][] random(int rows, int columns, long seed) {
    Random random = new Random(seed);
    float[][] values = new float[rows][columns];
    for (float[] row : values) {
      for (int c = 0; c < columns; c++) {
        row[c] = (float) random.nextGaussian();
      }
    }
    return values;
  }
}
