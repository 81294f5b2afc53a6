package dev.borealis.internal.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;

/**
 * A thread's own memory for what lives no longer than one tile: staged rows, blocks of φ, column
 * tails. Grows to the largest size asked for and stays; freed by the collector after its thread.
 */
final class ThreadScratch {
  /** The purposes that are in use at the same time. */
  enum Slot {
    /** Rows of X, or of dY, when they can't be read where they lie. */
    INPUT,
    /** A tile of Y or dX, when it can't be updated where it lies. */
    OUTPUT,
    /** Columns beyond the last whole vector, input side. */
    TAIL_INPUT,
    /** Columns beyond the last whole vector, output side. */
    TAIL_OUTPUT,
    /** Partial sums of {@link Dot}. */
    DOT,
    /** Sums of {@link Gemm}. */
    GEMM,
    /** A block laid out as {@link Packed} does. */
    PACKED,
    /** Rows that become a block. */
    GEMM_ROWS,
    /** A panel of columns copied together. */
    PANEL,
    /** A panel's sums over all tokens. */
    PANEL_SUMS,
    /** A dropout mask. */
    MASK,
    /** Block of Z in inference. */
    Z,
    /** Block of U. */
    U,
    /** Block of dU. */
    DU,
    /** Block of φ: act(z). */
    PHI_T,
    /** Block of φ: H·act(z) and its gradient. */
    PHI_A,
    /** Spline bases, or their sums. */
    BASES,
    /** Gradient by the bases. */
    BASES_GRADIENT
  }

  private static final ThreadLocal<ThreadScratch> CURRENT =
      ThreadLocal.withInitial(ThreadScratch::new);

  private final EnumMap<Slot, MemorySegment> segments = new EnumMap<>(Slot.class);

  /** Where the current tile of an input is. */
  final TileView input = new TileView();

  /** Where the current tile of an output is. */
  final TileView output = new TileView();

  private ThreadScratch() {}

  /** {@return the calling thread's scratch} */
  static ThreadScratch current() {
    return CURRENT.get();
  }

  /**
   * {@return a slot's memory, with whatever it held}
   *
   * @param slot what for
   * @param floats at least this many
   */
  MemorySegment get(Slot slot, long floats) {
    MemorySegment segment = segments.get(slot);
    if (segment == null || segment.byteSize() < floats * 4) {
      segment = Scalars.allocate(Arena.ofAuto(), floats);
      segments.put(slot, segment);
    }
    return segment;
  }
}
