package dev.borealis.merge;

import dev.borealis.backend.MergeKernel;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.Tensor;
import java.util.Arrays;

/** A tensor with a copy of its elements from before a merge, and a way to tell later changes. */
final class SavedTensor {
  private final String name;
  private final Tensor tensor;
  private final Tensor delta;
  private final Tensor copy;
  private final MergeKernel kernel;
  private final DeviceStream stream;
  private long[] mergedFingerprint = {};

  /**
   * Copies the tensor and changes nothing yet.
   *
   * @param name for messages
   * @param tensor of any type
   * @param delta F32, of the same shape
   * @param copy dense, of the tensor's type and shape; overwritten
   * @param kernel for tensors where these are
   * @param stream likewise
   */
  SavedTensor(
      String name,
      Tensor tensor,
      Tensor delta,
      Tensor copy,
      MergeKernel kernel,
      DeviceStream stream) {
    this.name = name;
    this.tensor = tensor;
    this.delta = delta;
    this.copy = copy;
    this.kernel = kernel;
    this.stream = stream;
    stream.copy(tensor, copy);
  }

  /** Adds the delta; each element is rounded once. */
  void merge() {
    kernel.add(delta, tensor);
    mergedFingerprint = kernel.fingerprint(tensor);
  }

  /** Throws if the tensor can't be restored, or has changed since the merge. */
  void requireRestorable() {
    Checks.accessible(name, tensor, stream.location());
    Checks.accessible("copy of " + name, copy, stream.location());
    if (!Arrays.equals(kernel.fingerprint(tensor), mergedFingerprint)) {
      throw new IllegalStateException(
          name + ": expected it as the merge left it, came changed; undo later merges first");
    }
  }

  void restore() {
    stream.copy(copy, tensor);
    stream.synchronize();
  }
}
