package dev.borealis.merge;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.UnsupportedSpecException;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * Merging an adapter into the weights of its base layer.
 *
 * <table>
 * <caption>Which merge there is</caption>
 * <tr><th>method</th><th>{@link #delta}</th><th>{@link #staticDelta}</th>
 *     <th>{@link #calibratedDelta}</th></tr>
 * <tr><td>LoRA, MoSLoRA, NoLoRA with f = identity</td><td>exact</td><td>–</td><td>exact</td></tr>
 * <tr><td>AuroRA in static form (AuroRA-S)</td><td>exact</td><td>exact</td><td>–</td></tr>
 * <tr><td>AuroRA</td><td>–</td><td>the paper's; another function</td><td>approximate</td></tr>
 * <tr><td>NoRA, NoLoRA</td><td>–</td><td>–</td><td>approximate</td></tr>
 * </table>
 *
 * <p>Everything is computed in double and rounded once to F32. Dropout has no part in it. Weights
 * and samples may be of any dtype and row stride, on the host ({@link DeviceMerge} takes those on a
 * device). Runs on the caller's thread; safe to call from several.
 */
public final class Merge {
  private Merge() {}

  /**
   * {@return the exact {@code ΔW = s·g ⊙ B (v ⊙ φ(A))} of an adapter whose φ is linear or static,
   * with the specification's scale}
   *
   * @param weights of the adapter
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the adapter has no exact merge
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta delta(AdapterWeights weights, Arena arena) {
    return delta(weights, weights.spec().scale(), arena);
  }

  /**
   * {@return the exact merge of an adapter whose φ is linear or static: {@code s·B·A} for LoRA,
   * {@code s·B·M·A} for MoSLoRA, {@code s·B·σ(A)} for AuroRA-S; with v, g and the biases where it
   * has them: {@code Δb = s·g ⊙ B (v ⊙ φ(a)) + b}}
   *
   * @param weights of the adapter
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the adapter has no exact merge
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta delta(AdapterWeights weights, float scale, Arena arena) {
    return DeviceMerge.onHost().delta(weights, scale, arena);
  }

  /**
   * {@return AuroRA's static merge with the specification's scale}
   *
   * @param weights of an AuroRA adapter
   * @param arena owner of the result
   * @throws UnsupportedSpecException as {@link #staticDelta(AdapterWeights, float, Arena)}
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta staticDelta(AdapterWeights weights, Arena arena) {
    return staticDelta(weights, weights.spec().scale(), arena);
  }

  /**
   * {@return the merge of AuroRA's paper (arXiv 2505.18738, appendix B): {@code ΔW = s·B·σ(A)} with
   * σ on each column of A} For AuroRA-S it is exact. For an adapter trained in the dynamic form
   * {@code B σ(A x)} it is another function: look at {@link #report} before using it.
   *
   * @param weights of an AuroRA adapter
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the method is another, or the down-projection has a bias,
   *     which the static form has no place for
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta staticDelta(AdapterWeights weights, float scale, Arena arena) {
    return DeviceMerge.onHost().staticDelta(weights, scale, arena);
  }

  /**
   * {@return the merge that is nearest to the adapter on sample activations, with the
   * specification's scale}
   *
   * @param weights of the adapter
   * @param samples X [n, d_in], n ≥ 1: activations as the layer sees them in use
   * @param calibration whether an intercept is fitted
   * @param arena owner of the result
   * @throws UnsupportedSpecException as {@link #calibratedDelta(AdapterWeights, Tensor,
   *     Calibration, float, Arena)}
   * @throws IllegalArgumentException if the samples' shape or a number in them is wrong
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta calibratedDelta(
      AdapterWeights weights, Tensor samples, Calibration calibration, Arena arena) {
    return calibratedDelta(weights, samples, calibration, weights.spec().scale(), arena);
  }

  /**
   * {@return {@code ΔW = s·g ⊙ B M A} with {@code M = argmin ‖U − Z Mᵀ‖} over sample activations,
   * or with an intercept, {@code argmin ‖U − Z Mᵀ − c‖}, which goes into Δb} Works for every φ, as
   * an approximation: its error is in {@link #report}, best on activations other than the samples.
   * Useful from some 10 r samples on.
   *
   * @param weights of the adapter
   * @param samples X [n, d_in], n ≥ 1: activations as the layer sees them in use
   * @param calibration whether an intercept is fitted
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the adapter is AuroRA-S, whose merge is exact
   * @throws IllegalArgumentException if the samples' shape or a number in them is wrong
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeDelta calibratedDelta(
      AdapterWeights weights, Tensor samples, Calibration calibration, float scale, Arena arena) {
    return DeviceMerge.onHost().calibratedDelta(weights, samples, calibration, scale, arena);
  }

  /**
   * Compares a merge with the adapter's branch on sample activations, with the specification's
   * scale.
   *
   * @param weights of the adapter
   * @param delta of any merge of it
   * @param samples X [n, d_in], n ≥ 1
   * @return how close the merge is
   * @throws IllegalArgumentException if a shape, or a number in the samples, is wrong
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeReport report(AdapterWeights weights, MergeDelta delta, Tensor samples) {
    return report(weights, delta, samples, weights.spec().scale());
  }

  /**
   * Compares a merge with the adapter's branch on sample activations.
   *
   * @param weights of the adapter
   * @param delta of any merge of it
   * @param samples X [n, d_in], n ≥ 1
   * @param scale s of the branch, finite
   * @return how close the merge is
   * @throws IllegalArgumentException if a shape, or a number in the samples, is wrong
   * @throws IllegalStateException if memory is closed or another thread's
   */
  public static MergeReport report(
      AdapterWeights weights, MergeDelta delta, Tensor samples, float scale) {
    AdapterSpec spec = weights.spec();
    DeviceMerge.requireDelta(delta, spec.outFeatures(), spec.inFeatures(), Location.HOST);
    CallOptions options = CallOptions.of(spec).withScale(scale);
    Samples checked = new Samples(samples, spec.inFeatures());
    DeviceMerge.requireAccessible(weights, Location.HOST);
    AdapterOracle oracle = new AdapterOracle(weights);
    MergeError error = new MergeError(delta);
    checked.forEachBlock(
        (x, first, n) -> error.add(x, oracle.forward(x, n, options, false).y(), n));
    return error.report();
  }

  /**
   * Adds a merge without Δb to a layer's weights.
   *
   * @param delta of any merge
   * @param w0 [d_out, d_in], F32, BF16 or F16; overwritten by {@code W0 + ΔW}, rounded once
   * @param arena owner of a copy of w0, for {@link MergedLayer#unmerge}
   * @return the merged layer, which can undo it
   * @throws IllegalArgumentException if the delta has a bias, or w0's shape or memory is wrong
   * @throws IllegalStateException if memory is closed or another thread's; w0 is unchanged then
   */
  public static MergedLayer apply(MergeDelta delta, Tensor w0, Arena arena) {
    return apply(delta, w0, null, arena);
  }

  /**
   * Adds a merge to a layer's weights and bias. A layer or adapter that was prepared from them
   * keeps its packed copy: prepare it anew.
   *
   * @param delta of any merge
   * @param w0 [d_out, d_in], F32, BF16 or F16; overwritten by {@code W0 + ΔW}, rounded once
   * @param bias [d_out], any dtype; overwritten by {@code b0 + Δb}, or untouched if the delta has
   *     none. Null only then
   * @param arena owner of a copy of w0 and bias, for {@link MergedLayer#unmerge}
   * @return the merged layer, which can undo it
   * @throws IllegalArgumentException if a tensor's shape or memory is wrong, or the delta has a
   *     bias and the layer none
   * @throws IllegalStateException if memory is closed or another thread's; nothing has changed then
   */
  public static MergedLayer apply(MergeDelta delta, Tensor w0, @Nullable Tensor bias, Arena arena) {
    return DeviceMerge.onHost().apply(delta, w0, bias, arena);
  }
}
