package dev.borealis.cuda;

/**
 * Parts of a sum in device memory, each a matrix of floats.
 *
 * @param address of the first
 * @param count how many
 * @param stride floats from one to the next
 * @param ld floats from a row to the next
 * @param columns of them all
 */
record Shares(long address, long count, long stride, long ld, long columns) {
  /** The first alone. */
  Shares first() {
    return new Shares(address, 1, stride, ld, columns);
  }
}
