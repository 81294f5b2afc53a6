package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Native memory of the one class that kernels are compiled for. Segments have several classes: the
 * heap's, mapped files', native memory's. What C2 knows of them otherwise comes from profiles that
 * all code of the process shares: once they are mixed, it keeps copies of a loop for every class
 * that an operand might have, and the same kernel is twice as large and half as fast, or not,
 * depending on what ran before.
 */
final class Native {
  private static final Class<?> CLASS = MemorySegment.NULL.getClass();

  private Native() {}

  /** Tells whether kernels can work on a segment; others are staged. */
  static boolean is(MemorySegment segment) {
    return segment.getClass() == CLASS;
  }

  /**
   * {@return the segment, which {@link #is} one that kernels work on, as C2 then knows}
   *
   * <p>Kernels begin with it, each for its own operands: what is known of a value isn't handed on
   * to a method that isn't inlined.
   */
  static MemorySegment exact(MemorySegment segment) {
    if (segment.getClass() != CLASS) {
      throw new AssertionError("expected native memory, got " + segment);
    }
    return segment;
  }
}
