package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/** Loops over segments for the functions of {@link VectorMath} that {@link Elementwise} lacks. */
final class VectorMathKernels {

  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private VectorMathKernels() {}

  static void exp(MemorySegment in, MemorySegment out, int count) {
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      VectorMath.exp(FloatVector.fromMemorySegment(Species.F32, in, at, ORDER))
          .intoMemorySegment(out, at, ORDER);
    }
  }

  static void erf(MemorySegment in, MemorySegment out, int count) {
    for (int i = 0; i < count; i += Species.LANES) {
      long at = (long) i * Float.BYTES;
      VectorMath.erf(FloatVector.fromMemorySegment(Species.F32, in, at, ORDER))
          .intoMemorySegment(out, at, ORDER);
    }
  }

  static void tanh(MemorySegment in, MemorySegment out, int count) {
    Elementwise.tanh(in, 0, out, 0, count);
  }

  static void sigmoid(MemorySegment in, MemorySegment out, int count) {
    Elementwise.sigmoid(in, 0, out, 0, count);
  }
}
