package dev.borealis.device;

import dev.borealis.internal.Checks;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.util.Arrays;
import java.util.Objects;

/**
 * A queue of a backend's work, done in order, while the caller goes on. Calls with tensors on a
 * device are queued here, and so are copies; nothing waits but {@link #synchronize}. Made by {@code
 * Backend.stream}. On a CPU backend all is done when a call returns, so that the same program runs
 * there.
 *
 * <p>Memory of queued work has to stay alive and as it is until the work is done. For one thread at
 * a time.
 */
public final class DeviceStream implements AutoCloseable {
  /** What a backend implements; {@link DeviceStream} has checked the arguments. */
  public interface Queue extends AutoCloseable {
    /**
     * Queues a copy.
     *
     * @param from source
     * @param to of the same shape and type; shares no memory with it
     */
    void copy(Tensor from, Tensor to);

    /**
     * Queues setting all elements to zero.
     *
     * @param tensor where
     */
    void zero(Tensor tensor);

    /** Waits until all is done. */
    void synchronize();

    @Override
    void close();
  }

  private final Location location;
  private final Queue queue;
  private boolean closed;

  /**
   * For backends: puts the argument checks in front of a queue.
   *
   * @param location of the tensors that its work is about
   * @param queue the backend's implementation
   */
  public DeviceStream(Location location, Queue queue) {
    this.location = location;
    this.queue = queue;
  }

  /** {@return a stream of the host, where everything is done at once} */
  public static DeviceStream onHost() {
    return new DeviceStream(Location.HOST, new HostQueue());
  }

  /** {@return where the tensors of this stream's work are} */
  public Location location() {
    return location;
  }

  /**
   * {@return the implementation, for backends}
   *
   * @throws IllegalStateException if this is closed
   */
  public Queue queue() {
    if (closed) {
      throw new IllegalStateException("stream: expected an open one, came a closed one");
    }
    return queue;
  }

  /**
   * Requires that this is open, and works at a place.
   *
   * @param expected where
   * @throws IllegalArgumentException if it works elsewhere
   * @throws IllegalStateException if it is closed
   */
  public void requireAt(Location expected) {
    if (!location.equals(expected)) {
      throw new IllegalArgumentException(
          "stream: expected one of " + expected + ", came one of " + location);
    }
    queue();
  }

  /**
   * Queues a copy: from the host to the device, back, within the device, or on the host. Overlaps
   * with other work only if the host's memory is page-locked ({@code Backend.allocateStaging}).
   *
   * @param from on the host, in native memory, or where this stream works; any row stride
   * @param to likewise; of the same shape and type; must not share memory with {@code from}
   * @throws IllegalArgumentException if a shape, type or place is wrong, or {@code to} is read-only
   * @throws IllegalStateException if memory is closed or another thread's, or this is closed
   */
  public void copy(Tensor from, Tensor to) {
    requireReachable("from", from);
    requireReachable("to", to);
    if (!Arrays.equals(from.shape(), to.shape())) {
      throw new ShapeMismatchException("to: expected the shape of " + from + ", came " + to);
    }
    if (from.dtype() != to.dtype()) {
      throw new DTypeMismatchException("to: expected " + from.dtype() + ", came " + to.dtype());
    }
    Checks.writable("to", to);
    Checks.disjoint("to", to, "from", from);
    queue().copy(from, to);
  }

  private void requireReachable(String name, Tensor tensor) {
    Objects.requireNonNull(tensor, name);
    if (!tensor.location().isHost()) {
      Checks.accessible(name, tensor, location);
      return;
    }
    Checks.accessible(name, tensor);
    if (!location.isHost() && !tensor.segment().isNative()) {
      throw new IllegalArgumentException(
          name
              + ": expected native memory for a copy to or from "
              + location
              + ", came a heap array");
    }
  }

  /**
   * Queues setting all elements to zero.
   *
   * @param tensor where this stream works
   * @throws IllegalArgumentException if it is elsewhere or read-only
   * @throws IllegalStateException if memory is closed or another thread's, or this is closed
   */
  public void zero(Tensor tensor) {
    Objects.requireNonNull(tensor, "tensor");
    Checks.accessible("tensor", tensor, location);
    Checks.writable("tensor", tensor);
    queue().zero(tensor);
  }

  /**
   * Waits until all work queued so far is done. An error of that work is thrown here at the latest.
   *
   * @throws IllegalStateException if this is closed
   */
  public void synchronize() {
    queue().synchronize();
  }

  /** Waits for the work, and gives the stream back. A second call does nothing. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      queue.close();
    }
  }
}
