package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * What a backend implements for one prepared adapter. {@link Adapter} has checked every argument
 * before a method is called: implementations do not check again. Except for {@link #repack} and
 * {@link #close}, safe for concurrent calls with different workspaces.
 */
public interface AdapterKernel extends AutoCloseable {
  /** A backend's part of a {@link Workspace}. */
  interface Scratch {}

  /**
   * Allocates all memory that calls need.
   *
   * @param maxTokens largest n, ≥ 0
   * @param mode inference or training
   * @param arena owner of the memory
   * @return what was allocated
   */
  Scratch allocate(int maxTokens, Mode mode, Arena arena);

  /**
   * {@return where the tensors of calls with a stream are} Calls without one have theirs on the
   * host.
   */
  default Location location() {
    return Location.HOST;
  }

  /**
   * Allocates all memory that calls need which are queued in a stream, with tensors at {@link
   * #location()}.
   *
   * @param maxTokens largest n, ≥ 0
   * @param mode inference or training
   * @param stream of this backend
   * @param arena owner of the memory
   * @return what was allocated
   */
  default Scratch allocate(int maxTokens, Mode mode, DeviceStream stream, Arena arena) {
    return allocate(maxTokens, mode, arena);
  }

  /**
   * Computes {@code Y = β·Y + s·g ⊙ (m_h ⊙ v ⊙ φ((m_x ⊙ X) Aᵀ + a) Bᵀ) + b}. Masks are drawn if the
   * scratch is for training; Z is kept in it then.
   *
   * @param x [n, d_in]
   * @param y [n, d_out]
   * @param options of this call
   * @param scratch from {@link #allocate} of this kernel
   */
  void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch);

  /**
   * Computes the gradients that belong to the scratch's last forward call.
   *
   * @param x [n, d_in], as in the forward call
   * @param dY [n, d_out]
   * @param dX [n, d_in], or null if not wanted
   * @param gradients of the parameters, or null if not wanted
   * @param forward the options of the forward call
   * @param options what happens to old gradients
   * @param scratch from {@link #allocate} of this kernel, for training
   */
  void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      CallOptions forward,
      GradientOptions options,
      Scratch scratch);

  /**
   * Tells whether calls get faster by being made, because the JIT compiles them; their tensors are
   * host memory then.
   *
   * @return true for kernels that are Java
   */
  default boolean compiledByUse() {
    return false;
  }

  /**
   * Takes over changed weights. No call may be under way.
   *
   * @param weights of the same specification, on the host or at {@link #location()}
   */
  void repack(AdapterWeights weights);

  /**
   * Takes over changed weights, in the order of a stream's work. No call of another stream may be
   * under way.
   *
   * @param weights of the same specification, at {@link #location()}
   * @param stream of this backend
   */
  default void repack(AdapterWeights weights, DeviceStream stream) {
    repack(weights);
  }

  @Override
  void close();
}
