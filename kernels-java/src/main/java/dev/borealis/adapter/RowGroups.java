package dev.borealis.adapter;

import org.jspecify.annotations.Nullable;

/**
 * For backends: which rows of a batch go through which kernel. Lists of fixed capacity, filled anew
 * for every call, so that a call allocates nothing. No row is in two groups, and a group's rows
 * ascend.
 */
public final class RowGroups {
  private final @Nullable AdapterKernel[] kernels;
  private final float[] scales;
  private final int[] from;
  private final int[] to;
  private final int[] rows;
  private int count;

  /**
   * Allocates lists for as many groups as rows.
   *
   * @param maxRows largest number of rows, ≥ 0
   */
  public RowGroups(int maxRows) {
    kernels = new AdapterKernel[maxRows];
    scales = new float[maxRows];
    from = new int[maxRows];
    to = new int[maxRows];
    rows = new int[maxRows];
  }

  /** Removes all groups. */
  public void clear() {
    for (int group = 0; group < count; group++) {
      kernels[group] = null;
    }
    count = 0;
  }

  /**
   * Adds a group.
   *
   * @param kernel of the group's adapter
   * @param scale s of this call
   * @param first index of its first row in {@link #rows()}
   * @param end index after its last row
   */
  public void add(AdapterKernel kernel, float scale, int first, int end) {
    kernels[count] = kernel;
    scales[count] = scale;
    from[count] = first;
    to[count] = end;
    count++;
  }

  /** {@return the number of groups} */
  public int count() {
    return count;
  }

  /**
   * {@return a group's kernel}
   *
   * @param group its index
   */
  public AdapterKernel kernel(int group) {
    AdapterKernel kernel = kernels[group];
    if (kernel == null) {
      throw new IndexOutOfBoundsException("group " + group + " of " + count);
    }
    return kernel;
  }

  /**
   * {@return a group's scale}
   *
   * @param group its index
   */
  public float scale(int group) {
    return scales[group];
  }

  /**
   * {@return the index of a group's first row in {@link #rows()}}
   *
   * @param group its index
   */
  public int from(int group) {
    return from[group];
  }

  /**
   * {@return the index after a group's last row in {@link #rows()}}
   *
   * @param group its index
   */
  public int to(int group) {
    return to[group];
  }

  /** {@return the rows' numbers, group after group; the array itself, to be filled and read} */
  public int[] rows() {
    return rows;
  }
}
