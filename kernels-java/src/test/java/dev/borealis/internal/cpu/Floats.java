package dev.borealis.internal.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Native segments of floats for tests. */
final class Floats {

  private Floats() {}

  /** A segment with these values, filled up with zeros to whole vectors. */
  static MemorySegment of(float... values) {
    MemorySegment segment = zeros(wholeVectors(values.length));
    MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT, 0, values.length);
    return segment;
  }

  static MemorySegment zeros(int count) {
    return Arena.ofAuto().allocate((long) count * Float.BYTES, 64);
  }

  static MemorySegment filled(int count, float value) {
    MemorySegment segment = zeros(count);
    for (int i = 0; i < count; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
    }
    return segment;
  }

  static float get(MemorySegment segment, int i) {
    return segment.getAtIndex(ValueLayout.JAVA_FLOAT, i);
  }

  static int wholeVectors(int count) {
    return (count + Species.LANES - 1) / Species.LANES * Species.LANES;
  }
}
