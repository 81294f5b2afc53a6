package dev.borealis.jmh;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads memory once: longs into four sums, so that additions don't wait for each other. */
final class ReadFloor {
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  private ReadFloor() {}

  /** {@return the sum of a segment's longs, whose number is a multiple of 4} */
  static long sum(MemorySegment segment) {
    int longs = Math.toIntExact(segment.byteSize() / 8);
    long s0 = 0;
    long s1 = 0;
    long s2 = 0;
    long s3 = 0;
    for (int i = 0; i < longs; i += 4) {
      s0 += segment.get(LONG, 8L * i);
      s1 += segment.get(LONG, 8L * i + 8);
      s2 += segment.get(LONG, 8L * i + 16);
      s3 += segment.get(LONG, 8L * i + 24);
    }
    return s0 + s1 + s2 + s3;
  }
}
