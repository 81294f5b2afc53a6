package dev.borealis.merge;

import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What merging an adapter adds to its base layer: {@code y = x (W0 + ΔW)ᵀ + (b0 + Δb)}.
 *
 * @param weight ΔW [d_out, d_in], F32
 * @param bias Δb [d_out], F32; null if the layer's bias does not change
 */
public record MergeDelta(Tensor weight, @Nullable Tensor bias) {}
