package dev.borealis.cuda;

/** Lays ranges out one after the other, each at a multiple of 256 bytes. */
final class Carver {
  private static final long ALIGNMENT = 256;

  private long end;

  /** Returns the offset of a new range. */
  long take(long bytes) {
    long offset = end;
    end = Packed.round(Math.addExact(end, bytes), ALIGNMENT);
    return offset;
  }

  long floats(long count) {
    return take(Math.multiplyExact(count, 4L));
  }

  /** Returns the size of all ranges, at least one byte. */
  long bytes() {
    return Math.max(end, 1);
  }
}
