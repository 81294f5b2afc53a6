package dev.borealis.cuda;

import dev.borealis.tensor.DType;

/**
 * Weights [r, k] as the products take them: F32 in device memory, zeros in the padding.
 *
 * @param address of the first element
 * @param rows r
 * @param columns k
 * @param low whether some value is none of tf32, or of BF16 where there are parts
 * @param parts where the same lies as {@link PartProducts} takes it; 0 if it does not
 */
record Packed(long address, int rows, int columns, boolean low, long parts) {
  /** Rows are padded to this. */
  static final int ROW_TILE = 16;

  /** Columns are padded to this. */
  static final int COLUMN_TILE = 64;

  static long round(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }

  /** Returns the distance of two rows in elements. */
  static long ld(long columns) {
    return round(columns, COLUMN_TILE);
  }

  /** Returns the number of floats that such weights take. */
  static long floats(long rows, long columns) {
    return round(rows, ROW_TILE) * ld(columns);
  }

  long ld() {
    return ld(columns);
  }

  /** The number-th matrix of BF16 parts, and those behind it. */
  DeviceMatrix part(int number) {
    return new DeviceMatrix(parts + 2L * number * floats(rows, columns), ld(), DType.BF16);
  }

  /** The weights as a matrix of cuBLAS's. */
  DeviceMatrix matrix() {
    return new DeviceMatrix(address, ld(), DType.F32);
  }
}
