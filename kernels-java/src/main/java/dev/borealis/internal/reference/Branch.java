package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Parameter;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An adapter's numbers in double precision. Immutable but for the arrays it was given; safe for all
 * threads. The arithmetic of a token is in {@link TokenPass}.
 */
final class Branch {
  final AdapterSpec spec;
  final Phi phi;

  /** [r_a, d_in]; in the static form φ(A) by columns, [r, d_in]. */
  final double[] down;

  final double @Nullable [] downBias;
  final double @Nullable [] modulation;
  final double[] up;
  final double @Nullable [] upBias;
  final double @Nullable [] gain;

  private final double[] a;

  Branch(AdapterSpec spec, Map<Parameter, double[]> parameters) {
    this.spec = spec;
    this.phi = Phi.of(spec, parameters);
    this.a = Parameters.require(parameters, Parameter.A);
    this.down = spec.staticForm() ? phiOfColumns() : a;
    this.downBias = parameters.get(Parameter.A_BIAS);
    this.modulation = parameters.get(Parameter.V);
    this.up = Parameters.require(parameters, Parameter.B);
    this.upBias = parameters.get(Parameter.B_BIAS);
    this.gain = parameters.get(Parameter.GAIN);
  }

  /** {@return φ applied to every column of A: [r, d_in]} */
  double[] phiOfColumns() {
    int columns = spec.inFeatures();
    double[] result = new double[TensorRows.length("lora_A.weight", spec.rank(), columns)];
    double[] z = new double[spec.downRank()];
    double[] u = new double[spec.rank()];
    double[] work = new double[phi.workLength()];
    for (int column = 0; column < columns; column++) {
      gather(a, column, columns, z);
      phi.forward(z, 0, u, 0, work);
      scatter(u, result, column, columns);
    }
    return result;
  }

  /**
   * Static form: turns the gradient by φ(A), in the place of A's, into that by A, and adds the
   * shares of φ's own parameters. Does nothing for other forms.
   *
   * @param buffers scratch
   */
  void finish(Map<Parameter, double[]> gradients, TokenPass buffers) {
    if (!spec.staticForm()) {
      return;
    }
    int columns = spec.inFeatures();
    double[] dA = Parameters.require(gradients, Parameter.A);
    double[] z = buffers.column;
    for (int column = 0; column < columns; column++) {
      gather(a, column, columns, z);
      gather(dA, column, columns, buffers.dU);
      phi.backward(z, 0, buffers.dU, 0, buffers.dZ, 0, gradients, buffers.work);
      scatter(buffers.dZ, dA, column, columns);
    }
  }

  private static void gather(double[] matrix, int column, int columns, double[] vector) {
    for (int row = 0; row < vector.length; row++) {
      vector[row] = matrix[row * columns + column];
    }
  }

  private static void scatter(double[] vector, double[] matrix, int column, int columns) {
    for (int row = 0; row < vector.length; row++) {
      matrix[row * columns + column] = vector[row];
    }
  }
}
