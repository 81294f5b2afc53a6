package dev.borealis.adapter;

import dev.borealis.tensor.Tensor;

/**
 * What a backend implements for calls whose rows belong to different adapters. The caller has
 * checked every argument. One call at a time.
 */
public interface BatchKernel {
  /**
   * Tells whether a kernel is this backend's.
   *
   * @param kernel of a prepared adapter
   * @return whether {@link #forward} can run it
   */
  boolean accepts(AdapterKernel kernel);

  /**
   * Computes {@code Y += s·g ⊙ (v ⊙ φ(X Aᵀ + a) Bᵀ) + b} for the rows of every group, with that
   * group's adapter and scale, as inference: to the bit what {@link AdapterKernel#forward} computes
   * for the rows of a group in one call. Other rows of Y are not touched.
   *
   * @param x [n, d_in]
   * @param y [n, d_out]
   * @param groups kernels that this backend accepts; rows below n
   */
  void forward(Tensor x, Tensor y, RowGroups groups);
}
