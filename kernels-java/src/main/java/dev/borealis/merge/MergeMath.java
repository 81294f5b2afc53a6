package dev.borealis.merge;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Matrices as dense, row-major arrays of double, to and from tensors. */
final class MergeMath {
  private MergeMath() {}

  static int length(long rows, long columns) {
    if (rows > Integer.MAX_VALUE / columns) {
      throw new ShapeMismatchException(
          "merge: expected matrices of fewer than 2^31 elements, came ["
              + rows
              + ", "
              + columns
              + "]");
    }
    return (int) (rows * columns);
  }

  static double[] values(Tensor tensor) {
    int columns = (int) tensor.columns();
    double[] values = new double[length(tensor.rows(), columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / columns, i % columns);
    }
    return values;
  }

  static double @Nullable [] optional(AdapterWeights weights, Parameter parameter) {
    return weights.parameters().contains(parameter) ? values(weights.get(parameter)) : null;
  }

  /** Writes dense values; each number is rounded once. */
  static void write(double[] values, Tensor tensor) {
    int columns = (int) tensor.columns();
    for (int i = 0; i < values.length; i++) {
      tensor.set(i / columns, i % columns, (float) values[i]);
    }
  }

  /** {@code result[row] += factor · matrix[other]}, both with the same columns. */
  static void addRow(
      double[] result, int row, double factor, double[] matrix, int other, int columns) {
    for (int i = 0; i < columns; i++) {
      result[row * columns + i] += factor * matrix[other * columns + i];
    }
  }
}
