package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.util.Objects;

/**
 * A frozen base layer {@code y = x W0ᵀ + b}, packed for one backend. Made by {@code
 * Backend.prepareLinear}. Safe to share between threads; {@link #close} must not run beside a call.
 *
 * <p>Every call checks its arguments first: an exception means that no output was touched.
 */
public final class Linear implements AutoCloseable {
  private final int inFeatures;
  private final int outFeatures;
  private final LinearKernel kernel;
  private volatile boolean closed;

  /**
   * For backends: puts the argument checks in front of a kernel.
   *
   * @param inFeatures d_in
   * @param outFeatures d_out
   * @param kernel the backend's implementation
   */
  public Linear(int inFeatures, int outFeatures, LinearKernel kernel) {
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.kernel = kernel;
  }

  /** {@return d_in} */
  public int inFeatures() {
    return inFeatures;
  }

  /** {@return d_out} */
  public int outFeatures() {
    return outFeatures;
  }

  /**
   * Computes {@code Y = x W0ᵀ + b}.
   *
   * @param x [n, d_in], any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; overwritten; must not share memory with x
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong
   * @throws IllegalStateException if memory is closed or another thread's, or the layer is closed
   */
  public void forward(Tensor x, Tensor y) {
    requireForward(x, y, Location.HOST);
    kernel.forward(x, y);
  }

  /**
   * Computes {@code Y = x W0ᵀ + b}, queued in a stream, without waiting.
   *
   * @param x [n, d_in], where the stream works, any dtype and row stride
   * @param y [n, d_out], likewise, of x's dtype or F32; overwritten; must not share memory with x
   * @param stream of the layer's backend
   * @throws IllegalArgumentException if a tensor's shape, type or place is wrong, or the stream is
   *     of another device
   * @throws IllegalStateException if memory is closed or another thread's, or the layer or the
   *     stream is closed
   */
  public void forward(Tensor x, Tensor y, DeviceStream stream) {
    stream.requireAt(kernel.location());
    requireForward(x, y, stream.location());
    kernel.forward(x, y, stream);
  }

  /**
   * Computes {@code Y = x W0ᵀ + b + s·B·φ(A x)} with the specification's scale: base layer and
   * adapter in one call.
   *
   * @param x [n, d_in], any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; overwritten; must not share memory with x
   * @param adapter of the same shape
   * @param workspace made by the adapter
   * @throws IllegalArgumentException as {@link Adapter#forward(Tensor, Tensor, Workspace)}
   * @throws IllegalStateException as {@link Adapter#forward(Tensor, Tensor, Workspace)}
   */
  public void forward(Tensor x, Tensor y, Adapter adapter, Workspace workspace) {
    Objects.requireNonNull(adapter, "adapter");
    forward(x, y, adapter, adapter.defaultOptions(workspace), workspace);
  }

  /**
   * Computes {@code Y = x W0ᵀ + b + s·B·φ(A x)}: base layer and adapter in one call.
   *
   * @param x [n, d_in], any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; overwritten; must not share memory with x
   * @param adapter of the same shape
   * @param options of the adapter's part, which is always added: {@link Update#ACCUMULATE}
   * @param workspace made by the adapter
   * @throws IllegalArgumentException as {@link Adapter#forward(Tensor, Tensor, CallOptions,
   *     Workspace)}, or if the options ask to overwrite
   * @throws IllegalStateException as {@link Adapter#forward(Tensor, Tensor, CallOptions,
   *     Workspace)}
   */
  public void forward(
      Tensor x, Tensor y, Adapter adapter, CallOptions options, Workspace workspace) {
    Objects.requireNonNull(adapter, "adapter");
    Objects.requireNonNull(options, "options");
    Objects.requireNonNull(workspace, "workspace");
    DeviceStream stream = workspace.stream();
    if (stream != null) {
      stream.requireAt(kernel.location());
    }
    requireForward(x, y, workspace.location());
    if (options.output() != Update.ACCUMULATE) {
      throw new IllegalArgumentException(
          "options: expected output ACCUMULATE, since the base layer writes Y first, came "
              + options.output());
    }
    adapter.forward(kernel, x, y, options, workspace);
  }

  private void requireForward(Tensor x, Tensor y, Location location) {
    requireOpen();
    Checks.matrix("x", x, inFeatures, location);
    Checks.matrix("y", y, x.rows(), outFeatures, location);
    Checks.types("x", x, "y", y);
    Checks.writable("y", y);
    Checks.disjoint("y", y, "x", x);
  }

  /**
   * Computes {@code dX = β·dX + dY W0}; W0 is frozen and gets no gradient.
   *
   * @param dY [n, d_out]
   * @param dX [n, d_in], of dY's dtype or F32; must not share memory with dY
   * @param update whether dX is added to or replaced
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong
   * @throws IllegalStateException if memory is closed or another thread's, or the layer is closed
   */
  public void backward(Tensor dY, Tensor dX, Update update) {
    requireBackward(dY, dX, update, Location.HOST);
    kernel.backward(dY, dX, update);
  }

  /**
   * Computes {@code dX = β·dX + dY W0}, queued in a stream, without waiting.
   *
   * @param dY [n, d_out], where the stream works
   * @param dX [n, d_in], likewise, of dY's dtype or F32; must not share memory with dY
   * @param update whether dX is added to or replaced
   * @param stream of the layer's backend
   * @throws IllegalArgumentException if a tensor's shape, type or place is wrong, or the stream is
   *     of another device
   * @throws IllegalStateException if memory is closed or another thread's, or the layer or the
   *     stream is closed
   */
  public void backward(Tensor dY, Tensor dX, Update update, DeviceStream stream) {
    stream.requireAt(kernel.location());
    requireBackward(dY, dX, update, stream.location());
    kernel.backward(dY, dX, update, stream);
  }

  private void requireBackward(Tensor dY, Tensor dX, Update update, Location location) {
    requireOpen();
    Objects.requireNonNull(update, "update");
    Checks.matrix("dY", dY, outFeatures, location);
    Checks.matrix("dX", dX, dY.rows(), inFeatures, location);
    Checks.types("dY", dY, "dX", dX);
    Checks.writable("dX", dX);
    Checks.disjoint("dX", dX, "dY", dY);
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("linear: expected an open one, came a closed one");
    }
  }

  /** Frees the packed weights. Later calls throw {@link IllegalStateException}. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      kernel.close();
    }
  }
}
