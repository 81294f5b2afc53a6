package dev.borealis.ffm;

/**
 * A matrix in device memory, as cuBLAS sees it: column by column.
 *
 * <p>A matrix stored row by row, with {@code ld} elements from row to row, is to cuBLAS the
 * transposed matrix with leading dimension {@code ld}.
 *
 * @param address the device address of the first element
 * @param type the elements' type
 * @param leadingDimension elements from one column to the next, 1 or more
 * @param transposed whether the product takes the stored matrix transposed
 */
public record CublasMatrix(long address, DataType type, int leadingDimension, boolean transposed) {
  /**
   * Checks the leading dimension.
   *
   * @throws IllegalArgumentException if it isn't positive
   */
  public CublasMatrix {
    if (leadingDimension < 1) {
      throw new IllegalArgumentException("leading dimension " + leadingDimension);
    }
  }

  /** Refuses a leading dimension that is shorter than a column of the matrix as it is stored. */
  void requireColumns(String name, int rows, int columns) {
    int stored = transposed ? columns : rows;
    if (leadingDimension < stored) {
      throw new IllegalArgumentException(
          name
              + ": leading dimension "
              + leadingDimension
              + ", but a stored column has "
              + stored
              + " elements");
    }
  }
}
