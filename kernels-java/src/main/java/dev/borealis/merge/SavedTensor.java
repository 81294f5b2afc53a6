package dev.borealis.merge;

import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A tensor with a copy of its elements from before a merge, and a way to tell later changes. */
final class SavedTensor {
  private final String name;
  private final Tensor tensor;
  private final Tensor delta;
  private final Tensor copy;
  private long mergedFingerprint;

  /**
   * Copies the tensor and changes nothing yet.
   *
   * @param name for messages
   * @param tensor of any type
   * @param delta F32, of the same shape
   * @param arena owner of the copy
   */
  SavedTensor(String name, Tensor tensor, Tensor delta, Arena arena) {
    this.name = name;
    this.tensor = tensor;
    this.delta = delta;
    this.copy = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
    copyRows(tensor, copy);
  }

  /** Adds the delta; each element is rounded once. */
  void merge() {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        float old = tensor.get(row, column);
        float change = delta.get(row, column);
        // A float sum is rounded already: for a narrower type, rounding to odd keeps it right.
        float sum = tensor.dtype() == DType.F32 ? old + change : sumToOdd(old, change);
        tensor.set(row, column, sum);
      }
    }
    mergedFingerprint = fingerprint();
  }

  /**
   * {@return the sum rounded to odd: if it is not exact, that neighbour whose last bit is set}
   * Rounded again to at most 22 bits it then gives what the exact sum gives (Boldo and Melquiond,
   * 2008).
   */
  static float sumToOdd(float a, float b) {
    float sum = a + b;
    if (!Float.isFinite(sum)) {
      return sum;
    }
    float bPart = sum - a;
    float error = (a - (sum - bPart)) + (b - bPart);
    if (error == 0 || (Float.floatToRawIntBits(sum) & 1) != 0) {
      return sum;
    }
    return error > 0 ? Math.nextUp(sum) : Math.nextDown(sum);
  }

  /** Throws if the tensor can't be restored, or has changed since the merge. */
  void requireRestorable() {
    Checks.accessible(name, tensor);
    Checks.accessible("copy of " + name, copy);
    if (fingerprint() != mergedFingerprint) {
      throw new IllegalStateException(
          name + ": expected it as the merge left it, came changed; undo later merges first");
    }
  }

  void restore() {
    copyRows(copy, tensor);
  }

  private static void copyRows(Tensor source, Tensor target) {
    long size = source.dtype().byteSize();
    for (long row = 0; row < source.rows(); row++) {
      MemorySegment.copy(
          source.segment(),
          row * source.rowStride() * size,
          target.segment(),
          row * target.rowStride() * size,
          source.columns() * size);
    }
  }

  /** Each step is a bijection of the hash and of the element: one changed element always shows. */
  private long fingerprint() {
    long hash = 1;
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        hash = (hash ^ bits(row * tensor.rowStride() + column)) * 0x9e3779b97f4a7c15L;
        hash ^= hash >>> 32;
      }
    }
    return hash;
  }

  private long bits(long index) {
    return tensor.dtype() == DType.F32
        ? tensor.segment().get(ValueLayout.JAVA_INT_UNALIGNED, index * 4)
        : tensor.segment().get(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2);
  }
}
