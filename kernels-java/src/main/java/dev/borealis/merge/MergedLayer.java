package dev.borealis.merge;

import java.util.List;

/**
 * A base layer with an adapter merged into it, and the way back: the weights from before are kept
 * in a copy, because subtracting ΔW would not restore their bits. For one thread at a time.
 */
public final class MergedLayer {
  private final List<SavedTensor> tensors;
  private boolean merged = true;

  /** Merges tensors whose copies are made. */
  MergedLayer(List<SavedTensor> tensors) {
    this.tensors = tensors;
    tensors.forEach(SavedTensor::merge);
  }

  /**
   * Tells whether the adapter is still merged.
   *
   * @return whether they are
   */
  public boolean isMerged() {
    return merged;
  }

  /**
   * Restores W0 (and the bias) to the bits from before the merge.
   *
   * @throws IllegalStateException if it has been restored already, memory is closed or another
   *     thread's, or someone has changed a merged tensor since: restoring would discard that
   *     change. Several merges into one layer are undone in reverse order. Nothing has changed then
   */
  public void unmerge() {
    if (!merged) {
      throw new IllegalStateException("unmerge: expected a merged layer, came a restored one");
    }
    tensors.forEach(SavedTensor::requireRestorable);
    tensors.forEach(SavedTensor::restore);
    merged = false;
  }
}
