package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;

/** The tiles of a batch in native memory: of each its group and the first of its rows there. */
final class TileList {
  private static final int TILE_BYTES = 2 * Integer.BYTES;

  private final MemorySegment table;
  private final long at;
  private int count;

  TileList(MemorySegment table, long at) {
    this.table = table;
    this.at = at;
  }

  void clear() {
    count = 0;
  }

  /** Adds the tiles of a group of n rows. */
  void add(int group, int n, int rows) {
    for (int row = 0; row < n; row += rows) {
      long tile = at + (long) count * TILE_BYTES;
      table.set(JAVA_INT, tile, group);
      table.set(JAVA_INT, tile + Integer.BYTES, row);
      count++;
    }
  }

  int count() {
    return count;
  }

  /** Returns where the list begins in the table. */
  long at() {
    return at;
  }

  /** Returns where it ends. */
  long end() {
    return at + (long) count * TILE_BYTES;
  }
}
