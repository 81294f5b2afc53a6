package dev.borealis.merge;

import dev.borealis.internal.Checks;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;

/** Sample activations, read in blocks so that a large sample needs no second copy of itself. */
final class Samples {
  private static final int BLOCK = 256;

  private final Tensor tensor;
  private final int columns;

  /** What is done with a block of rows, dense. */
  interface Consumer {
    /**
     * Takes a block.
     *
     * @param x [n, columns]
     * @param firstRow number of its first row
     * @param n its rows
     */
    void accept(double[] x, int firstRow, int n);
  }

  Samples(Tensor tensor, int columns) {
    requireLegal(tensor, columns, Location.HOST);
    this.tensor = tensor;
    this.columns = columns;
  }

  /** Requires samples of some features at a place. */
  static void requireLegal(Tensor tensor, int columns, Location location) {
    Checks.matrix("samples", tensor, columns, location);
    if (tensor.rows() < 1 || tensor.rows() > Integer.MAX_VALUE) {
      throw new ShapeMismatchException(
          "samples: expected 1 to 2^31 - 1 rows, came " + tensor.rows());
    }
  }

  int rows() {
    return (int) tensor.rows();
  }

  void forEachBlock(Consumer consumer) {
    for (int first = 0; first < rows(); first += Math.min(BLOCK, rows() - first)) {
      int n = Math.min(BLOCK, rows() - first);
      double[] x = new double[n * columns];
      for (int i = 0; i < x.length; i++) {
        int row = first + i / columns;
        x[i] = tensor.get(row, i % columns);
        if (!Double.isFinite(x[i])) {
          throw new IllegalArgumentException(
              "samples: expected finite numbers, came " + x[i] + " in row " + row);
        }
      }
      consumer.accept(x, first, n);
    }
  }
}
