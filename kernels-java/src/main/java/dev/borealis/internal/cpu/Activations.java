package dev.borealis.internal.cpu;

import dev.borealis.adapter.Activation;
import java.lang.foreign.MemorySegment;

/**
 * Fixed activations on the rows of a {@link Block}. A block that is full, or nearly so, is one run
 * of floats: nobody reads what lies behind its width. A narrower one is done row by row.
 */
final class Activations {
  private Activations() {}

  private static boolean isRun(int width) {
    return width > Block.TOKENS / 2;
  }

  /** {@code u = f(z)}; u may be z. */
  static void forward(
      Activation f, MemorySegment z, long z0, MemorySegment u, long u0, int rows, int width) {
    int runs = isRun(width) ? 1 : rows;
    int count = isRun(width) ? rows * Block.TOKENS : width;
    for (int i = 0; i < runs; i++) {
      long from = z0 + i * Block.ROW;
      long to = u0 + i * Block.ROW;
      switch (f) {
        case IDENTITY -> MemorySegment.copy(z, from, u, to, count * 4L);
        case RELU -> Elementwise.relu(z, from, u, to, count);
        case LEAKY_RELU -> Elementwise.leakyRelu(z, from, u, to, count);
        case GELU -> Elementwise.gelu(z, from, u, to, count);
        case GELU_TANH -> Elementwise.geluTanh(z, from, u, to, count);
        case SILU -> Elementwise.silu(z, from, u, to, count);
        case TANH -> Elementwise.tanh(z, from, u, to, count);
        case SIGMOID -> Elementwise.sigmoid(z, from, u, to, count);
      }
    }
  }

  /** {@code dz = g ⊙ f'(z)}; dz may be g. */
  static void backward(
      Activation f,
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int rows,
      int width) {
    int runs = isRun(width) ? 1 : rows;
    int count = isRun(width) ? rows * Block.TOKENS : width;
    for (int i = 0; i < runs; i++) {
      long zi = z0 + i * Block.ROW;
      long gi = g0 + i * Block.ROW;
      long to = dz0 + i * Block.ROW;
      switch (f) {
        case IDENTITY -> MemorySegment.copy(g, gi, dz, to, count * 4L);
        case RELU -> Elementwise.reluBackward(z, zi, g, gi, dz, to, count);
        case LEAKY_RELU -> Elementwise.leakyReluBackward(z, zi, g, gi, dz, to, count);
        case GELU -> Elementwise.geluBackward(z, zi, g, gi, dz, to, count);
        case GELU_TANH -> Elementwise.geluTanhBackward(z, zi, g, gi, dz, to, count);
        case SILU -> Elementwise.siluBackward(z, zi, g, gi, dz, to, count);
        case TANH -> Elementwise.tanhBackward(z, zi, g, gi, dz, to, count);
        case SIGMOID -> Elementwise.sigmoidBackward(z, zi, g, gi, dz, to, count);
      }
    }
  }
}
