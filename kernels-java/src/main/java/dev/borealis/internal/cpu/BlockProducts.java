package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/** Products of a small dense matrix with the columns of a {@link Block}, and their gradients. */
final class BlockProducts {
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

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
    MemorySegment packed = scratch.get(ThreadScratch.Slot.PACKED, (long) columns * Block.TOKENS);
    pack(in, in0, columns, width, packed);
    Dot.run(
        g,
        g0,
        Block.ROW,
        packed,
        0,
        columns * Packed.ROW,
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

  /** Lays a block's rows out as {@link Packed} does. */
  private static void pack(MemorySegment in, long in0, int rows, int width, MemorySegment out) {
    in = Native.exact(in);
    out = Native.exact(out);
    long at = 0;
    for (int i = 0; i < width; i += Species.LANES) {
      for (int j = 0; j < rows; j++) {
        FloatVector.fromMemorySegment(Species.F32, in, in0 + j * Block.ROW + i * 4L, ORDER)
            .intoMemorySegment(out, at, ORDER);
        at += Packed.ROW;
      }
    }
  }
}
