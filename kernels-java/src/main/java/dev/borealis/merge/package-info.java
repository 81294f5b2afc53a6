/**
 * Folding an adapter into its base layer: {@link dev.borealis.merge.Merge} computes {@code ΔW},
 * says how far the merged layer is from the adapter, and applies it so that it can be undone bit
 * for bit. {@link dev.borealis.merge.DeviceMerge} does so with tensors on a device.
 */
@NullMarked
package dev.borealis.merge;

import org.jspecify.annotations.NullMarked;
