package dev.borealis.merge;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
    float[] row = new float[columns];
    for (int r = 0; r < tensor.rows(); r++) {
      for (int i = 0; i < columns; i++) {
        row[i] = (float) values[r * columns + i];
      }
      writeRow(row, tensor, r);
    }
  }

  // A row at once where no type is converted: a merge has as many elements as W0.
  private static void writeRow(float[] row, Tensor tensor, int r) {
    if (tensor.dtype() == DType.F32) {
      long offset = r * tensor.rowStride() * Float.BYTES;
      MemorySegment.copy(
          row, 0, tensor.segment(), ValueLayout.JAVA_FLOAT_UNALIGNED, offset, row.length);
      return;
    }
    for (int i = 0; i < row.length; i++) {
      tensor.set(r, i, row[i]);
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
