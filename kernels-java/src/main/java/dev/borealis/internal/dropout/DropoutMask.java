package dev.borealis.internal.dropout;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * A dropout mask [rows, columns] that is drawn, not stored: entry {@code (row, column)} is 0 with
 * probability p and {@code 1/(1−p)} otherwise.
 *
 * <p>With {@code e = row·columns + column} it is kept where word {@code e mod 4} of the {@link
 * Philox} counter {@code (e/4, step, stream)} under the key {@code seed} is at least {@code
 * ⌊p·2³²⌋}, unsigned. One mask for all rows ("unit") takes row 0 for every row. An entry so depends
 * on its place alone: every backend, split into tiles and number of threads draws the same mask.
 *
 * <p>Immutable, safe for all threads. The static methods do the same without an object, for calls
 * that must not allocate.
 *
 * @param probability p of dropping an entry, in [0, 1). Callers skip the mask where it is 0
 * @param seed key
 * @param step counter word 2, usually the training step
 * @param stream counter word 3: {@link #INPUT} or {@link #HIDDEN}
 * @param columns of the whole matrix, whatever part of it is asked for
 * @param unit whether all rows share the mask of row 0
 */
public record DropoutMask(
    double probability, long seed, int step, int stream, long columns, boolean unit) {
  /** Stream of the dropout on X. */
  public static final int INPUT = 0;

  /** Stream of the dropout on U. */
  public static final int HIDDEN = 1;

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;

  /** Checks the components. */
  public DropoutMask {
    if (!(probability >= 0 && probability < 1)) {
      throw new IllegalArgumentException(
          "dropout: expected a probability in [0, 1), came " + probability);
    }
    if (columns < 1) {
      throw new IllegalArgumentException("dropout: expected columns >= 1, came " + columns);
    }
  }

  /**
   * {@return the mask on X [n, d_in] of a training call}
   *
   * @param spec the adapter's specification
   * @param options seed and step of the call
   */
  public static DropoutMask input(AdapterSpec spec, CallOptions options) {
    return new DropoutMask(
        spec.inputDropout(), options.seed(), options.step(), INPUT, spec.inFeatures(), false);
  }

  /**
   * {@return the mask on U [n, r] of a training call}
   *
   * @param spec the adapter's specification
   * @param options seed and step of the call
   */
  public static DropoutMask hidden(AdapterSpec spec, CallOptions options) {
    return new DropoutMask(
        spec.hiddenDropout(),
        options.seed(),
        options.step(),
        HIDDEN,
        spec.rank(),
        spec.hiddenDropoutMode() == HiddenDropoutMode.UNIT);
  }

  /**
   * {@return {@code ⌊p·2³²⌋}: words below it, unsigned, are dropped}
   *
   * @param probability p in [0, 1)
   */
  public static int threshold(double probability) {
    return (int) (long) Math.floor(probability * 0x1p32);
  }

  /**
   * {@return {@code 1/(1−p)}, computed in double and rounded: the value of kept entries}
   *
   * @param probability p in [0, 1)
   */
  public static float kept(double probability) {
    return (float) (1 / (1 - probability));
  }

  /**
   * {@return one entry}
   *
   * @param row ≥ 0
   * @param column within the columns
   */
  public float at(long row, long column) {
    Objects.checkIndex(column, columns);
    long element = (unit ? 0 : row * columns) + column;
    int bits = Philox.atLeast(element >>> 2, step, stream, seed, threshold(probability));
    return (bits >>> (element & 3) & 1) != 0 ? kept(probability) : 0;
  }

  /**
   * Writes a rectangle of the mask as F32.
   *
   * @param dst native or heap memory of any alignment
   * @param dstOffsetBytes where in dst the rectangle's first entry goes
   * @param dstRowStrideElements distance of two rows in dst in floats, ≥ columns of the rectangle
   * @param row0 first row
   * @param rows number of rows
   * @param column0 first column
   * @param columns number of columns
   */
  public void fill(
      MemorySegment dst,
      long dstOffsetBytes,
      long dstRowStrideElements,
      long row0,
      int rows,
      long column0,
      int columns) {
    fill(
        probability,
        seed,
        step,
        stream,
        unit,
        this.columns,
        dst,
        dstOffsetBytes,
        dstRowStrideElements,
        row0,
        rows,
        column0,
        columns);
  }

  /**
   * Writes a rectangle of a mask as F32. Allocates nothing.
   *
   * @param probability p in [0, 1)
   * @param seed key
   * @param step counter word 2
   * @param stream counter word 3
   * @param unit whether all rows share the mask of row 0
   * @param totalColumns columns of the whole matrix
   * @param dst native or heap memory of any alignment
   * @param dstOffsetBytes where in dst the rectangle's first entry goes
   * @param dstRowStrideElements distance of two rows in dst in floats, ≥ columns
   * @param row0 first row
   * @param rows number of rows
   * @param column0 first column
   * @param columns number of columns
   */
  public static void fill(
      double probability,
      long seed,
      int step,
      int stream,
      boolean unit,
      long totalColumns,
      MemorySegment dst,
      long dstOffsetBytes,
      long dstRowStrideElements,
      long row0,
      int rows,
      long column0,
      int columns) {
    int threshold = threshold(probability);
    float kept = kept(probability);
    // The block of the entry before: a narrow row may end, and the next begin, within one block.
    long block = -1;
    int bits = 0;
    for (int row = 0; row < rows; row++) {
      long element = (unit ? 0 : (row0 + row) * totalColumns) + column0;
      long offset = dstOffsetBytes + row * dstRowStrideElements * Float.BYTES;
      for (int column = 0; column < columns; column++, element++) {
        if (element >>> 2 != block) {
          block = element >>> 2;
          bits = Philox.atLeast(block, step, stream, seed, threshold);
        }
        float value = (bits >>> (element & 3) & 1) != 0 ? kept : 0;
        dst.set(F32, offset + (long) column * Float.BYTES, value);
      }
    }
  }
}
