package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An adapter prepared for one backend: its weights packed, its kernels chosen. Made by {@code
 * Backend.prepare}. Safe to share between threads, each call with a {@link Workspace} of its own;
 * {@link #repack} and {@link #close} must not run beside a call.
 *
 * <p>Every call checks its arguments first: an exception means that no output was touched. Calls
 * allocate nothing.
 */
public final class Adapter implements AutoCloseable {
  private final AdapterWeights weights;
  private final AdapterKernel kernel;
  private final CallOptions defaults;
  private volatile long packedVersion;
  private volatile boolean closed;

  /**
   * For backends: puts the argument checks in front of a kernel.
   *
   * @param weights those that the kernel has packed
   * @param kernel the backend's implementation
   */
  public Adapter(AdapterWeights weights, AdapterKernel kernel) {
    this.weights = weights;
    this.kernel = kernel;
    this.defaults = CallOptions.of(weights.spec());
    this.packedVersion = weights.version();
  }

  /** {@return what this adapter computes} */
  public AdapterSpec spec() {
    return weights.spec();
  }

  /** {@return the weights it was prepared from} */
  public AdapterWeights weights() {
    return weights;
  }

  /**
   * Allocates what calls with tensors on the host need. On a backend of a device they are copied
   * there and back by every call.
   *
   * @param maxTokens largest number of rows of X in a call, ≥ 0
   * @param mode inference, or training with a backward
   * @param arena owner of the memory. A confined arena keeps every call on the thread that owns it;
   *     {@code Arena.ofShared()} lets a call use all of the backend's threads
   * @return the workspace, for this adapter only
   * @throws IllegalArgumentException if maxTokens is negative
   * @throws IllegalStateException if the arena is closed or another thread's, or the adapter is
   *     closed
   */
  public Workspace workspace(int maxTokens, Mode mode, Arena arena) {
    requireWorkspace(maxTokens, mode, arena);
    return new Workspace(
        this, maxTokens, mode, null, arena, kernel.allocate(maxTokens, mode, arena));
  }

  /**
   * Allocates what calls need that are queued in a stream: their tensors are where the stream
   * works, and they return without waiting. A call takes no memory and waits for nothing, so that
   * it may be recorded in a graph.
   *
   * @param maxTokens largest number of rows of X in a call, ≥ 0
   * @param mode inference, or training with a backward
   * @param stream of the adapter's backend; used by every call with this workspace
   * @param arena owner of the memory; to be closed when the stream's work is done
   * @return the workspace, for this adapter only
   * @throws IllegalArgumentException if maxTokens is negative, or the stream is of another device
   * @throws IllegalStateException if the arena is closed or another thread's, or the adapter or the
   *     stream is closed
   */
  public Workspace workspace(int maxTokens, Mode mode, DeviceStream stream, Arena arena) {
    requireWorkspace(maxTokens, mode, arena);
    requireStream(stream);
    return new Workspace(
        this, maxTokens, mode, stream, arena, kernel.allocate(maxTokens, mode, stream, arena));
  }

  private void requireWorkspace(int maxTokens, Mode mode, Arena arena) {
    requireOpen();
    Objects.requireNonNull(mode, "mode");
    Checks.accessible("arena", Objects.requireNonNull(arena, "arena"));
    if (maxTokens < 0) {
      throw new IllegalArgumentException("maxTokens: expected at least 0, came " + maxTokens);
    }
  }

  private void requireStream(DeviceStream stream) {
    stream.requireAt(kernel.location());
  }

  /**
   * Adds the adapter's branch to Y: {@code Y += s·g ⊙ (U Bᵀ) + b}, with the specification's scale.
   *
   * @param x [n, d_in], any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; must not share memory with x
   * @param workspace made by this adapter
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong, or the adapter
   *     has dropout and the workspace is for training (it then needs {@link CallOptions})
   * @throws IllegalStateException if memory is closed or another thread's, the workspace is in use,
   *     the weights changed since they were packed, or the adapter is closed
   */
  public void forward(Tensor x, Tensor y, Workspace workspace) {
    forward(null, x, y, defaultOptions(workspace), workspace);
  }

  CallOptions defaultOptions(Workspace workspace) {
    Objects.requireNonNull(workspace, "workspace");
    if (workspace.mode() == Mode.TRAINING && spec().hasDropout()) {
      throw new IllegalArgumentException(
          "options: expected a seed and a step for the dropout, came none");
    }
    return defaults;
  }

  /**
   * Computes {@code Y = β·Y + s·g ⊙ (U Bᵀ) + b}; see {@link AdapterSpec}.
   *
   * @param x [n, d_in], any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; must not share memory with x
   * @param options scale, β and dropout of this call
   * @param workspace made by this adapter
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong
   * @throws IllegalStateException if memory is closed or another thread's, the workspace is in use,
   *     the weights changed since they were packed, or the adapter is closed
   */
  public void forward(Tensor x, Tensor y, CallOptions options, Workspace workspace) {
    forward(null, x, y, options, workspace);
  }

  /** Forward, after a base layer that overwrites Y if there is one. */
  void forward(
      @Nullable LinearKernel base, Tensor x, Tensor y, CallOptions options, Workspace workspace) {
    requireReady();
    Objects.requireNonNull(options, "options");
    Objects.requireNonNull(workspace, "workspace");
    Location location = workspace.location();
    Checks.matrix("x", x, spec().inFeatures(), location);
    Checks.matrix("y", y, x.rows(), spec().outFeatures(), location);
    Checks.types("x", x, "y", y);
    Checks.writable("y", y);
    Checks.disjoint("y", y, "x", x);
    workspace.requireTokens(x.rows());
    workspace.acquire(this);
    try {
      workspace.forgetForward();
      if (base != null) {
        DeviceStream stream = workspace.stream();
        if (stream == null) {
          base.forward(x, y);
        } else {
          base.forward(x, y, stream);
        }
      }
      kernel.forward(x, y, options, workspace.scratch());
      workspace.recordForward(options, x.rows(), packedVersion);
    } finally {
      workspace.release();
    }
  }

  /**
   * Adds the gradients of the workspace's last forward call to dX and to the gradients.
   *
   * @param x [n, d_in], as in the forward call
   * @param dY [n, d_out]: gradient of the loss by Y
   * @param dX [n, d_in], of dY's dtype or F32; null if not wanted
   * @param gradients of the parameters; null if not wanted
   * @param workspace of the forward call
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong
   * @throws IllegalStateException if there was no such forward call, memory is closed or another
   *     thread's, or the adapter is closed
   */
  public void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      Workspace workspace) {
    backward(x, dY, dX, gradients, GradientOptions.ACCUMULATE, workspace);
  }

  /**
   * Computes the gradients of the workspace's last forward call. May be repeated.
   *
   * @param x [n, d_in], as in the forward call
   * @param dY [n, d_out]: gradient of the loss by Y
   * @param dX [n, d_in], of dY's dtype or F32; null if not wanted
   * @param gradients of the parameters; null if not wanted
   * @param options whether old gradients are added to or replaced
   * @param workspace of the forward call
   * @throws IllegalArgumentException if a tensor's shape, type or memory is wrong
   * @throws IllegalStateException if there was no such forward call, memory is closed or another
   *     thread's, or the adapter is closed
   */
  public void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      GradientOptions options,
      Workspace workspace) {
    requireReady();
    Objects.requireNonNull(options, "options");
    Objects.requireNonNull(workspace, "workspace");
    Location location = workspace.location();
    Checks.matrix("x", x, spec().inFeatures(), location);
    Checks.matrix("dY", dY, x.rows(), spec().outFeatures(), location);
    if (dX != null) {
      Checks.matrix("dX", dX, x.rows(), spec().inFeatures(), location);
      Checks.types("dY", dY, "dX", dX);
      Checks.writable("dX", dX);
      Checks.disjoint("dX", dX, "x", x);
      Checks.disjoint("dX", dX, "dY", dY);
    }
    if (gradients != null) {
      requireGradients(gradients, x, dY, dX, location);
    }
    workspace.acquire(this);
    try {
      CallOptions forward = workspace.requireForward(x.rows(), packedVersion);
      kernel.backward(x, dY, dX, gradients, forward, options, workspace.scratch());
    } finally {
      workspace.release();
    }
  }

  private void requireGradients(
      AdapterGradients gradients, Tensor x, Tensor dY, @Nullable Tensor dX, Location location) {
    if (gradients.spec() != spec()) {
      throw new IllegalArgumentException(
          "gradients: expected those of the adapter's own specification "
              + spec()
              + ", came those of another, "
              + gradients.spec());
    }
    for (Parameter parameter : PARAMETERS) {
      if (!spec().parameters().contains(parameter)) {
        continue;
      }
      Tensor gradient = gradients.get(parameter);
      String name = parameter.gradientName();
      Checks.accessible(name, gradient, location);
      if (!location.isHost() && !gradient.isDense()) {
        throw new IllegalArgumentException(
            name + ": expected a dense tensor on " + location + ", came " + gradient);
      }
      Checks.disjoint(name, gradient, "x", x);
      Checks.disjoint(name, gradient, "dY", dY);
      if (dX != null) {
        Checks.disjoint("dX", dX, name, gradient);
      }
    }
  }

  // An array because iterating over a Set allocates an iterator in every call.
  private static final Parameter[] PARAMETERS = Parameter.values();

  /**
   * Makes calls on memory of its own, with every number of tokens that has a kernel of its own,
   * until the JIT has compiled all that calls of this adapter use, and others of the same rank and
   * nonlinearity. Takes seconds; without it, the first seconds of calls are many times slower.
   * Backends that nothing has to be compiled for return at once. May run beside calls.
   *
   * @param mode inference, or training: then the backward too
   * @param xType dtype of X in later calls
   * @param yType dtype of Y, dY and dX in later calls: x's, or F32
   * @return whether calls are compiled; false if they aren't after a minute, on a machine that is
   *     too busy: another call goes on
   * @throws dev.borealis.tensor.DTypeMismatchException if calls can't combine the types
   * @throws IllegalStateException if the weights changed since they were packed, or the adapter is
   *     closed
   */
  public boolean warmUp(Mode mode, DType xType, DType yType) {
    requireReady();
    Objects.requireNonNull(mode, "mode");
    Objects.requireNonNull(xType, "xType");
    Objects.requireNonNull(yType, "yType");
    return !kernel.compiledByUse() || WarmUp.run(this, mode, xType, yType);
  }

  /**
   * Packs the weights again after they have changed. Queued work that changes weights on a device
   * must be done: wait for it, or use {@link #repack(DeviceStream)}.
   *
   * @throws IllegalStateException if the adapter is closed, or the weights' memory is closed or
   *     another thread's
   */
  public void repack() {
    requireOpen();
    for (Parameter parameter : weights.parameters()) {
      Tensor tensor = weights.get(parameter);
      Checks.accessible(parameter.tensorName(), tensor, tensor.location());
    }
    long version = weights.version();
    kernel.repack(weights);
    packedVersion = version;
  }

  /**
   * Packs the weights again after work queued in a stream has changed them, in the order of that
   * stream: a later call in it computes with the new ones. Waits for nothing.
   *
   * @param stream of the adapter's backend
   * @throws IllegalArgumentException if the stream is of another device, or the weights are
   *     elsewhere
   * @throws IllegalStateException if the adapter or the stream is closed, or the weights' memory is
   *     closed or another thread's
   */
  public void repack(DeviceStream stream) {
    requireOpen();
    requireStream(stream);
    for (Parameter parameter : weights.parameters()) {
      Checks.accessible(parameter.tensorName(), weights.get(parameter), kernel.location());
    }
    long version = weights.version();
    kernel.repack(weights, stream);
    packedVersion = version;
  }

  /**
   * For calls over several adapters, which make the other checks themselves: the kernel, ready for
   * a call.
   *
   * @return the backend's implementation, not to be closed
   * @throws IllegalStateException if the weights changed since they were packed, or the adapter is
   *     closed
   */
  public AdapterKernel readyKernel() {
    requireReady();
    return kernel;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("adapter: expected an open one, came a closed one");
    }
  }

  private void requireReady() {
    requireOpen();
    if (packedVersion != weights.version()) {
      throw new IllegalStateException(
          "weights: changed since they were packed; expected a call of repack() before this one");
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
