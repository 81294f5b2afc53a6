package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/** Products of a small dense matrix with the columns of a {@link Block}, and their gradients. */
final class BlockProducts {
  private BlockProducts() {}

  /**
   * {@code out (+)= M in} for a row-major M [rows, columns].
   *
   * @param m the matrix, dense
   * @param in block of {@code columns} rows
   * @param out block of {@code rows} rows; not in
   */
  static void apply(
      MemorySegment m,
      long m0,
      int rows,
      int columns,
      MemorySegment in,
      long in0,
      MemorySegment out,
      long out0,
      int width,
      boolean add) {
    Outer.run(
        m,
        m0,
        columns * 4L,
        4,
        in,
        in0,
        Block.ROW,
        Packed.ROW,
        out,
        out0,
        Block.ROW,
        rows,
        width / Species.LANES,
        columns,
        add);
  }

  /**
   * {@code out (+)= Mᵀ in} for a row-major M [rows, columns] whose rows lie {@code stride} floats
   * apart.
   *
   * @param m the matrix
   * @param in block of {@code rows} rows
   * @param out block of {@code columns} rows; not in
   */
  static void applyTransposed(
      MemorySegment m,
      long m0,
      int rows,
      int columns,
      long stride,
      MemorySegment in,
      long in0,
      MemorySegment out,
      long out0,
      int width,
      boolean add) {
    Outer.run(
        m,
        m0,
        4,
        stride * 4,
        in,
        in0,
        Block.ROW,
        Packed.ROW,
        out,
        out0,
        Block.ROW,
        columns,
        width / Species.LANES,
        rows,
        add);
  }

  /**
   * {@code dM += g inᵀ}, the gradient of M in {@code out = M in}.
   *
   * @param g block of {@code rows} rows, zero behind the last token
   * @param in block of {@code columns} rows
   * @param dm rows {@code stride} floats apart
   */
  static void addGradient(
      MemorySegment g,
      long g0,
      int rows,
      MemorySegment in,
      long in0,
      int columns,
      int width,
      MemorySegment dm,
      long dm0,
      long stride,
      ThreadScratch scratch) {
    Dot.run(
        g,
        g0,
        Block.ROW,
        in,
        in0,
        Packed.ROW,
        Block.ROW,
        rows,
        columns,
        width,
        dm,
        dm0,
        stride * 4,
        4,
        true,
        scratch.get(ThreadScratch.Slot.DOT, Dot.SCRATCH_FLOATS));
  }
}
