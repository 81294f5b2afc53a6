package dev.borealis.backend;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What a backend implements for merges of tensors where it works. All arguments are checked, all
 * tensors are there, and results are there when a method returns. Everything is computed in double;
 * a number in a tensor is rounded once. For one thread at a time.
 */
public interface MergeKernel {
  /**
   * Computes {@code ΔW = s·g ⊙ B (v ⊙ φ(A))}, φ on the columns of A, and {@code Δb = s·g ⊙ B (v ⊙
   * φ(a)) + b}, the first term only where there is an a.
   *
   * @param weights whose φ is linear or AuroRA's
   * @param scale s
   * @param weight [d_out, d_in], F32, dense, overwritten by ΔW
   * @param bias [d_out], F32, overwritten by Δb; null if the adapter has no bias
   */
  void delta(AdapterWeights weights, float scale, Tensor weight, @Nullable Tensor bias);

  /**
   * {@return what a fit of U to Z takes from samples, with Z [n, r_a] and U [n, r] of the adapter's
   * branch without dropout}
   *
   * @param weights of the adapter, not in static form
   * @param samples X [n, d_in], n ≥ 1
   * @param centred whether means are subtracted first
   * @throws IllegalArgumentException if a sample is not finite
   */
  MergeMoments moments(AdapterWeights weights, Tensor samples, boolean centred);

  /**
   * Computes {@code ΔW = s·g ⊙ B M A} and {@code Δb = s·g ⊙ B (M a + c) + b}, a and b where there
   * are such.
   *
   * @param weights of the adapter
   * @param scale s
   * @param mixerT Mᵀ [r_a, r] by rows
   * @param constant c [r]
   * @param weight [d_out, d_in], F32, dense, overwritten by ΔW
   * @param bias [d_out], F32, overwritten by Δb; null if it is not wanted
   */
  void fold(
      AdapterWeights weights,
      float scale,
      double[] mixerT,
      double[] constant,
      Tensor weight,
      @Nullable Tensor bias);

  /**
   * Adds, each sum rounded once.
   *
   * @param delta F32, dense
   * @param to of the same shape, any type and row stride
   */
  void add(Tensor delta, Tensor to);

  /**
   * {@return numbers that tell a tensor's bits: one changed element always changes them}
   *
   * @param tensor of any type and row stride
   */
  long[] fingerprint(Tensor tensor);
}
