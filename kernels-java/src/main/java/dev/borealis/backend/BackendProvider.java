package dev.borealis.backend;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.tensor.Tensor;
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

    /**
     * Packs an adapter's weights and chooses its kernels.
     *
     * @param weights checked, live
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
  }
}
