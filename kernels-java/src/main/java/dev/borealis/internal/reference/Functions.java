package dev.borealis.internal.reference;

import dev.borealis.adapter.Activation;

/** The fixed activations and their derivatives in double precision. */
final class Functions {
  static final double LEAK = 0.01;

  private static final double SQRT_HALF = Math.sqrt(0.5);
  private static final double SQRT_2_PI = Math.sqrt(2 * Math.PI);
  private static final double GELU_SCALE = Math.sqrt(2 / Math.PI);
  private static final double GELU_CUBIC = 0.044715;

  private Functions() {}

  static double sigmoid(double z) {
    return 1 / (1 + Math.exp(-z));
  }

  /** {@return f(z)} */
  static double value(Activation activation, double z) {
    return switch (activation) {
      case IDENTITY -> z;
      case RELU -> Math.max(z, 0);
      case LEAKY_RELU -> z > 0 ? z : LEAK * z;
      case GELU -> z * normalCdf(z);
      case GELU_TANH -> z / 2 * (1 + Math.tanh(geluArgument(z)));
      case SILU -> z * sigmoid(z);
      case TANH -> Math.tanh(z);
      case SIGMOID -> sigmoid(z);
    };
  }

  /** {@return f'(z); at a kink that of the branch z ≤ 0} */
  static double slope(Activation activation, double z) {
    return switch (activation) {
      case IDENTITY -> 1;
      case RELU -> z > 0 ? 1 : 0;
      case LEAKY_RELU -> z > 0 ? 1 : LEAK;
      case GELU -> normalCdf(z) + z * Math.exp(-z * z / 2) / SQRT_2_PI;
      case GELU_TANH -> {
        double t = Math.tanh(geluArgument(z));
        double inner = GELU_SCALE * (1 + 3 * GELU_CUBIC * z * z);
        yield (1 + t) / 2 + z / 2 * (1 - t * t) * inner;
      }
      case SILU -> {
        double q = sigmoid(z);
        yield q * (1 + z * (1 - q));
      }
      case TANH -> {
        double f = Math.tanh(z);
        yield 1 - f * f;
      }
      case SIGMOID -> {
        double q = sigmoid(z);
        yield q * (1 - q);
      }
    };
  }

  /** Φ(z) of the normal distribution, without cancellation for z ≪ 0. */
  private static double normalCdf(double z) {
    return Erf.erfc(-z * SQRT_HALF) / 2;
  }

  private static double geluArgument(double z) {
    return GELU_SCALE * (z + GELU_CUBIC * z * z * z);
  }
}
