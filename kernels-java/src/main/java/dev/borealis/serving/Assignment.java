package dev.borealis.serving;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The rows of a batch grouped by adapter: a counting sort, so that a group's rows ascend. Takes
 * time by the number of rows alone, however many adapters there are.
 */
final class Assignment {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  private final int maxAdapters;
  // Rows, group after group.
  private final int[] rows;
  // The adapter of each row.
  private final int[] adapterOf;
  // Rows of each adapter, then the index after the last one placed; all 0 between assignments.
  private final int[] countOf;
  // Of each group, in the order of their first rows.
  private final int[] adapterOfGroup;
  private final int[] endOfGroup;

  private int adapters;
  private int rowCount;
  private int groups;

  /**
   * Allocates.
   *
   * @param rows gets the rows' numbers, group after group
   * @param maxAdapters largest number of adapters
   */
  Assignment(int[] rows, int maxAdapters) {
    this.rows = rows;
    this.maxAdapters = maxAdapters;
    this.adapterOf = new int[rows.length];
    this.countOf = new int[maxAdapters];
    this.adapterOfGroup = new int[rows.length];
    this.endOfGroup = new int[rows.length];
  }

  int adapters() {
    return adapters;
  }

  int rowCount() {
    return rowCount;
  }

  int groups() {
    return groups;
  }

  int adapter(int group) {
    return adapterOfGroup[group];
  }

  int from(int group) {
    return group == 0 ? 0 : endOfGroup[group - 1];
  }

  int to(int group) {
    return endOfGroup[group];
  }

  void byRow(int newAdapters, int[] adapterOfRow, int newRows) {
    requireAdapters(newAdapters);
    for (int row = 0; row < newRows; row++) {
      requireKnown("row ", row, adapterOfRow[row], newAdapters);
    }
    System.arraycopy(adapterOfRow, 0, adapterOf, 0, newRows);
    group(newAdapters, newRows);
  }

  void byRow(int newAdapters, MemorySegment adapterOfRow) {
    requireAdapters(newAdapters);
    int newRows = (int) (adapterOfRow.byteSize() / Integer.BYTES);
    for (int row = 0; row < newRows; row++) {
      requireKnown("row ", row, adapterOfRow.get(INT, row * 4L), newAdapters);
    }
    for (int row = 0; row < newRows; row++) {
      adapterOf[row] = adapterOfRow.get(INT, row * 4L);
    }
    group(newAdapters, newRows);
  }

  void bySegment(int newAdapters, int[] starts, int[] adapterOfSegment, int segments) {
    requireAdapters(newAdapters);
    if (starts[0] != 0) {
      throw new IllegalArgumentException(
          "segment 0: expected it to start at row 0, came " + starts[0]);
    }
    for (int segment = 0; segment < segments; segment++) {
      int end = starts[segment + 1];
      if (end < starts[segment]) {
        throw new IllegalArgumentException(
            "segment "
                + segment
                + ": expected an end not before its start "
                + starts[segment]
                + ", came "
                + end);
      }
      if (end > rows.length) {
        throw new IllegalArgumentException(
            "segment "
                + segment
                + ": expected an end within the "
                + rows.length
                + " rows allocated for, came "
                + end);
      }
      requireKnown("segment ", segment, adapterOfSegment[segment], newAdapters);
    }
    for (int segment = 0; segment < segments; segment++) {
      for (int row = starts[segment]; row < starts[segment + 1]; row++) {
        adapterOf[row] = adapterOfSegment[segment];
      }
    }
    group(newAdapters, starts[segments]);
  }

  private void requireAdapters(int number) {
    if (number < 0 || number > maxAdapters) {
      throw new IllegalArgumentException(
          "adapters: expected 0 to the " + maxAdapters + " allocated for, came " + number);
    }
  }

  private static void requireKnown(String what, int index, int adapter, int adapters) {
    if (adapter < -1 || adapter >= adapters) {
      throw new IndexOutOfBoundsException(
          what
              + index
              + ": expected the number of one of "
              + adapters
              + " adapters, or -1 for none, came "
              + adapter);
    }
  }

  private void group(int newAdapters, int newRows) {
    groups = 0;
    for (int row = 0; row < newRows; row++) {
      int adapter = adapterOf[row];
      if (adapter >= 0 && countOf[adapter]++ == 0) {
        adapterOfGroup[groups++] = adapter;
      }
    }
    int start = 0;
    for (int group = 0; group < groups; group++) {
      int count = countOf[adapterOfGroup[group]];
      countOf[adapterOfGroup[group]] = start;
      start += count;
      endOfGroup[group] = start;
    }
    for (int row = 0; row < newRows; row++) {
      if (adapterOf[row] >= 0) {
        rows[countOf[adapterOf[row]]++] = row;
      }
    }
    for (int group = 0; group < groups; group++) {
      countOf[adapterOfGroup[group]] = 0;
    }
    adapters = newAdapters;
    rowCount = newRows;
  }
}
