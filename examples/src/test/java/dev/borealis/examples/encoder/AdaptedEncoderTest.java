package dev.borealis.examples.encoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.TinyModel;
import dev.borealis.examples.minilm.TokenBatch;
import dev.borealis.optim.LinearSchedule;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Adapters in a small encoder: what they change, their gradients, and a step of training. */
class AdaptedEncoderTest {
  private static final String CASES =
      """
      AURORA, panama
      NORA,   panama
      NOLORA, panama
      LORA,   panama
      AURORA, scalar
      NORA,   scalar
      NOLORA, scalar
      LORA,   scalar
      """;

  /** Three words, then their three definitions. */
  private static final TokenBatch BATCH =
      TokenBatch.of(
          List.of(
              new int[] {3, 1, 4},
              new int[] {9},
              new int[] {2, 6},
              new int[] {5, 3, 5, 8, 9, 7, 9},
              new int[] {3, 2, 3, 8},
              new int[] {4, 6, 2, 6, 4}));

  /** Length of a finite step; the loss is a float computation, so smaller steps drown in it. */
  private static final double STEP = 1e-2;

  /** Relative to the gradient's length. */
  private static final double TOLERANCE = 2e-3;

  private static final int DIRECTIONS = 3;

  @ParameterizedTest
  @CsvSource(textBlock = CASES)
  void newAdaptersChangeNoBit(Method method, String backend) {
    try (var model = new Model(method, backend)) {
      assertArrayEquals(model.plain(), model.adapted());
    }
  }

  @ParameterizedTest
  @CsvSource(textBlock = CASES)
  void trainedAdaptersChangeEverySentence(Method method, String backend) {
    try (var model = new Model(method, backend)) {
      float[][] before = model.plain();
      model.adapters.randomiseUpProjections(0.5);
      float[][] after = model.adapted();
      for (int s = 0; s < before.length; s++) {
        assertFalse(Arrays.equals(before[s], after[s]), "sentence " + s);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(textBlock = CASES)
  void gradientsAreTheSlopesOfTheLoss(Method method, String backend) {
    try (var model = new Model(method, backend)) {
      model.adapters.randomiseUpProjections(0.5);
      model.training.gradients(BATCH);
      // The lowest adapter: its gradient has come through the whole encoder.
      AttachedAdapter lowest = model.adapters.all().getFirst();
      assertEquals("encoder.layer.0.attention.self.query", lowest.name());
      for (Parameter parameter : lowest.weights().parameters()) {
        Tensor gradient = lowest.gradients().get(parameter);
        double[] values = read(gradient);
        double norm = Math.sqrt(dot(values, values));
        assertTrue(norm > 1e-5, parameter + ": no gradient arrived, its norm is " + norm);
        check(model, lowest, parameter, values, values, norm);
        for (int seed = 0; seed < DIRECTIONS; seed++) {
          check(model, lowest, parameter, random(values.length, seed), values, norm);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource(textBlock = CASES)
  void aStepLowersTheLoss(Method method, String backend) {
    try (var model = new Model(method, backend)) {
      double before = model.training.step(BATCH);
      double after = model.training.loss(BATCH);
      assertTrue(after < before, before + " became " + after);
    }
  }

  /** Compares the slope of the loss along a direction, scaled to length 1. */
  private static void check(
      Model model,
      AttachedAdapter adapter,
      Parameter parameter,
      double[] direction,
      double[] gradient,
      double norm) {
    double length = Math.sqrt(dot(direction, direction));
    Tensor weights = adapter.weights().get(parameter);
    Consumer<Double> move =
        step -> {
          add(weights, direction, step / length);
          adapter.weights().markChanged();
          adapter.adapter().repack();
        };
    double[] old = read(weights);
    move.accept(STEP);
    double above = model.training.loss(BATCH);
    move.accept(-2 * STEP);
    double below = model.training.loss(BATCH);
    write(weights, old);
    adapter.weights().markChanged();
    adapter.adapter().repack();
    double expected = (above - below) / (2 * STEP);
    assertEquals(
        expected, dot(gradient, direction) / length, TOLERANCE * norm + 1e-6, parameter::name);
  }

  private static double[] read(Tensor tensor) {
    double[] values = new double[(int) (tensor.rows() * tensor.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / tensor.columns(), i % tensor.columns());
    }
    return values;
  }

  private static void write(Tensor tensor, double[] values) {
    for (int i = 0; i < values.length; i++) {
      tensor.set(i / tensor.columns(), i % tensor.columns(), (float) values[i]);
    }
  }

  private static void add(Tensor tensor, double[] direction, double factor) {
    double[] values = read(tensor);
    for (int i = 0; i < values.length; i++) {
      values[i] += factor * direction[i];
    }
    write(tensor, values);
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static double[] random(int length, long seed) {
    return new Random(seed).doubles(length, -1, 1).toArray();
  }

  /** The small encoder with and without adapters, and what training takes. */
  private static final class Model implements AutoCloseable {
    final Arena arena = Arena.ofShared();
    final BorealisProjections projections;
    final AdapterSet adapters;
    final Training training;
    private final Encoder plain;
    private final Encoder adapted;
    private final EncoderWorkspace workspace;

    Model(Method method, String name) {
      Backend backend = Backend.require(name);
      MiniLmWeights weights = TinyModel.weights(arena);
      projections = new BorealisProjections(weights, backend);
      adapters = new AdapterSet(method, weights, BATCH.tokens(), backend, arena);
      plain = new Encoder(weights, projections.plain());
      adapted = new Encoder(weights, projections.with(adapters));
      workspace = new EncoderWorkspace(TinyModel.CONFIG, BATCH.tokens(), true, arena);
      training = new Training(adapted, adapters, workspace, new LinearSchedule(1e-3, 0, 10), arena);
    }

    float[][] plain() {
      return plain.forward(BATCH, workspace);
    }

    float[][] adapted() {
      return adapted.forward(BATCH, workspace);
    }

    @Override
    public void close() {
      adapters.close();
      projections.close();
      arena.close();
    }
  }
}
