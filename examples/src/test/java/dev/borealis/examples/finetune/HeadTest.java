package dev.borealis.examples.finetune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.optim.AdamW;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HeadTest {
  private static final int IN = 5;
  private static final int CLASSES = 4;
  private static final int[] LABELS = {0, 3, 1};
  private static final double STEP = 1e-3;

  private static float[][] inputs() {
    Random random = new Random(3);
    float[][] x = new float[LABELS.length][IN];
    for (float[] row : x) {
      for (int i = 0; i < IN; i++) {
        row[i] = (float) random.nextGaussian();
      }
    }
    return x;
  }

  @Test
  void inputGradientIsTheSlope() {
    try (Arena arena = Arena.ofConfined()) {
      Head head = new Head(IN, CLASSES, 1, arena);
      float[][] x = inputs();
      float[][] gradient = head.loss(x, LABELS).dX();
      for (int n = 0; n < x.length; n++) {
        for (int i = 0; i < IN; i++) {
          float old = x[n][i];
          x[n][i] = (float) (old + STEP);
          double above = head.loss(x, LABELS).loss();
          double distance = x[n][i];
          x[n][i] = (float) (old - STEP);
          double below = head.loss(x, LABELS).loss();
          distance -= x[n][i];
          x[n][i] = old;
          assertEquals((above - below) / distance, gradient[n][i], 1e-6);
        }
      }
    }
  }

  /** Adam's first step goes against the sign of every gradient, so each tells its own slope. */
  @Test
  void parameterGradientsGoDownhill() {
    try (Arena arena = Arena.ofConfined()) {
      for (String name : new String[] {"head.weight", "head.bias"}) {
        Head head = new Head(IN, CLASSES, 1, arena);
        Tensor tensor = tensor(head, name);
        AdamW optimiser = head.optimiser(0, arena);
        head.loss(inputs(), LABELS);
        float[] before = values(tensor);
        optimiser.step(1e-4);
        float[] after = values(tensor);
        Head fresh = new Head(IN, CLASSES, 1, arena);
        Tensor probed = tensor(fresh, name);
        for (int i = 0; i < before.length; i++) {
          int row = (int) (i / probed.columns());
          int column = (int) (i % probed.columns());
          probed.set(row, column, (float) (before[i] + STEP));
          double above = fresh.loss(inputs(), LABELS).loss();
          probed.set(row, column, (float) (before[i] - STEP));
          double below = fresh.loss(inputs(), LABELS).loss();
          probed.set(row, column, before[i]);
          assertEquals(-Math.signum(above - below), Math.signum(after[i] - before[i]), name + i);
        }
      }
    }
  }

  private static Tensor tensor(Head head, String name) {
    return Objects.requireNonNull(head.tensors().get(name));
  }

  private static float[] values(Tensor tensor) {
    float[] values = new float[(int) (tensor.rows() * tensor.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / tensor.columns(), i % tensor.columns());
    }
    return values;
  }
}
