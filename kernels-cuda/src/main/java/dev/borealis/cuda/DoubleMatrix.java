package dev.borealis.cuda;

/**
 * Doubles in device memory, of any strides.
 *
 * @param address of the first
 * @param rows how many
 * @param columns how many
 * @param rowStride doubles from a row to the next
 * @param columnStride doubles from a column to the next
 */
record DoubleMatrix(long address, long rows, long columns, long rowStride, long columnStride) {
  static DoubleMatrix dense(long address, long rows, long columns) {
    return new DoubleMatrix(address, rows, columns, columns, 1);
  }

  DoubleMatrix transposed() {
    return new DoubleMatrix(address, columns, rows, columnStride, rowStride);
  }

  /** Rows [from, from + count). */
  DoubleMatrix rows(long from, long count) {
    long first = address + from * rowStride * Double.BYTES;
    return new DoubleMatrix(first, count, columns, rowStride, columnStride);
  }

  /** This row as each of so many. */
  DoubleMatrix repeated(long count) {
    return new DoubleMatrix(address, count, columns, 0, columnStride);
  }
}
