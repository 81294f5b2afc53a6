package dev.borealis.backend;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * What a backend's author implements, found by {@link java.util.ServiceLoader}. Loading a provider
 * must not load anything that may be missing; {@link #start} does that.
 */
public interface BackendProvider {
  /** {@return the backend's name, as in {@code -Dborealis.backend}} */
  String name();

  /** {@return the preference of {@link Backend#auto()}: higher is tried first} */
  int priority();

  /**
   * Starts the backend.
   *
   * @return the started backend
   * @throws BackendUnavailableException if it can't start here, with the reason and, where one is
   *     missing, the JVM flag
   */
  Engine start();

  /** A started backend. Safe for concurrent calls. */
  interface Engine {
    /** {@return what it works with} */
    Capabilities capabilities();

    /** {@return where the tensors of queued calls are} */
    default Location location() {
      return Location.HOST;
    }

    /**
     * Allocates a zeroed dense tensor at {@link #location()}.
     *
     * @param arena owner of the memory
     * @param dtype element type
     * @param shape its dimensions, checked
     * @return what was allocated
     */
    default Tensor allocate(Arena arena, DType dtype, long... shape) {
      return Tensor.allocate(arena, dtype, shape);
    }

    /**
     * Allocates a zeroed dense tensor on the host, for copies that overlap with other work.
     *
     * @param arena owner of the memory
     * @param dtype element type
     * @param shape its dimensions, checked
     * @return what was allocated
     */
    default Tensor allocateStaging(Arena arena, DType dtype, long... shape) {
      return Tensor.allocate(arena, dtype, shape);
    }

    /** {@return a new queue for work of this backend, to be closed by the caller} */
    default DeviceStream.Queue queue() {
      return DeviceStream.onHost().queue();
    }

    /**
     * Makes AdamW's step.
     *
     * @param stream of this backend
     * @param beta1 decay of m
     * @param beta2 decay of v
     * @param epsilon ε
     * @return steps that are queued in the stream
     */
    default AdamWKernel adamW(DeviceStream stream, double beta1, double beta2, double epsilon) {
      return AdamWKernel.onHost(beta1, beta2, epsilon);
    }

    /**
     * Makes merges of tensors on a device; those of the host need none.
     *
     * @param stream of this backend
     * @return merges that are queued in the stream and waited for
     * @throws UnsupportedOperationException if the backend has no merges
     */
    default MergeKernel mergeKernel(DeviceStream stream) {
      throw new UnsupportedOperationException(
          "backend: expected one with merges on a device, came one without");
    }

    /**
     * Packs an adapter's weights and chooses its kernels.
     *
     * @param weights checked, live, on the host or at {@link #location()}
     * @return the kernel, to be closed by the caller
     * @throws dev.borealis.adapter.UnsupportedSpecException if the backend does not cover the
     *     specification
     */
    AdapterKernel prepare(AdapterWeights weights);

    /**
     * Packs a base layer.
     *
     * @param w0 [d_out, d_in], checked, live
     * @param bias [d_out] or null
     * @return the kernel, to be closed by the caller
     */
    LinearKernel prepareLinear(Tensor w0, @Nullable Tensor bias);

    /**
     * Allocates what calls over several adapters need.
     *
     * @param maxRows largest number of rows of a call, ≥ 0
     * @return the kernel; holds no memory but the heap's
     * @throws UnsupportedOperationException if the backend has no such calls
     */
    default BatchKernel batchKernel(int maxRows) {
      throw new UnsupportedOperationException(
          "backend: expected one with calls over several adapters, came one without");
    }

    /**
     * Allocates what calls over several adapters need that are queued in a stream.
     *
     * @param limits of the calls
     * @param stream of this backend
     * @param arena owner of the memory
     * @return the kernel, for tensors at {@link #location()}
     * @throws UnsupportedOperationException if the backend has no such calls
     */
    default BatchKernel batchKernel(BatchLimits limits, DeviceStream stream, Arena arena) {
      return batchKernel(limits.maxRows());
    }
  }
}
