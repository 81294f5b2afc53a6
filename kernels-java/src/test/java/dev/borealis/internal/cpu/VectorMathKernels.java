package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;

/** The functions of {@link Elementwise} that have a bound in ULP, from the start of a segment. */
final class VectorMathKernels {
  private VectorMathKernels() {}

  static void exp(MemorySegment in, MemorySegment out, int count) {
    Elementwise.exp(in, 0, out, 0, count);
  }

  static void erf(MemorySegment in, MemorySegment out, int count) {
    Elementwise.erf(in, 0, out, 0, count);
  }

  static void tanh(MemorySegment in, MemorySegment out, int count) {
    Elementwise.tanh(in, 0, out, 0, count);
  }

  static void sigmoid(MemorySegment in, MemorySegment out, int count) {
    Elementwise.sigmoid(in, 0, out, 0, count);
  }
}
