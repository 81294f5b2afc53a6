package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.List;

/**
 * A device's primary context: the one that the CUDA runtime and libraries built on it use as well.
 *
 * <p>Owns every stream, event, buffer, module, graph and cuBLAS handle created in it: closing the
 * context closes those still open, newest first.
 */
public final class Context implements AutoCloseable {
  private final Device device;
  private final MemorySegment handle;
  private final LinkedHashSet<Resource> resources = new LinkedHashSet<>();
  private volatile boolean closed; // written under the lock of resources

  private Context(Device device, MemorySegment handle) {
    this.device = device;
    this.handle = handle;
  }

  /**
   * Retains a device's primary context and makes it current on the calling thread.
   *
   * @param device the device
   * @return the context, to be closed by the caller
   * @throws CudaException if a call fails
   */
  public static Context primary(Device device) {
    MemorySegment handle =
        Driver.create(
            "cuDevicePrimaryCtxRetain",
            out -> CudaDriver.cuDevicePrimaryCtxRetain(out, device.handle()));
    var context = new Context(device, handle);
    try {
      context.makeCurrent();
    } catch (RuntimeException e) {
      context.closeAfter(e);
      throw e;
    }
    return context;
  }

  /**
   * Returns the device.
   *
   * @return the device whose context this is
   */
  public Device device() {
    return device;
  }

  /**
   * Makes this the calling thread's current context, and leaves it so. Every method of this package
   * that needs a context does this by itself.
   *
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if the call fails
   */
  public void makeCurrent() {
    requireOpen();
    setCurrent();
  }

  /**
   * Waits until all work in the context is done.
   *
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails, or work that was waited for did
   */
  public void synchronize() {
    makeCurrent();
    Driver.check(CudaDriver.cuCtxSynchronize(), "cuCtxSynchronize");
  }

  /**
   * Returns how much device memory is free.
   *
   * @return bytes, of all that the device has, whoever uses the rest
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails
   */
  public long freeMemory() {
    makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment free = arena.allocate(JAVA_LONG);
      MemorySegment total = arena.allocate(JAVA_LONG);
      Driver.check(CudaDriver.cuMemGetInfo_v2(free, total), "cuMemGetInfo_v2");
      return free.get(JAVA_LONG, 0);
    }
  }

  /**
   * Returns whether this is open.
   *
   * @return false once {@link #close()} was called
   */
  public boolean isOpen() {
    return !closed;
  }

  /**
   * Closes everything still open in the context, newest first, then gives the context back. A
   * second call does nothing.
   *
   * @throws CudaException the first error that the driver reports, the others suppressed in it; all
   *     is closed nevertheless
   */
  @Override
  public void close() {
    List<Resource> left;
    synchronized (resources) {
      if (closed) {
        return;
      }
      closed = true;
      left = List.copyOf(resources.reversed());
    }
    var cleanup = new Cleanup();
    left.forEach(resource -> cleanup.run(resource::close));
    cleanup.run(() ->
        Driver.check(
            CudaDriver.cuDevicePrimaryCtxRelease_v2(device.handle()),
            "cuDevicePrimaryCtxRelease_v2"));
    cleanup.finish();
  }

  void setCurrent() {
    Driver.check(CudaDriver.cuCtxSetCurrent(handle), "cuCtxSetCurrent");
  }

  /** Owns a new resource from now on; closes it at once if the context was closed meanwhile. */
  void adopt(Resource resource) {
    synchronized (resources) {
      if (!closed) {
        resources.add(resource);
        return;
      }
    }
    resource.close();
    requireOpen();
  }

  void forget(Resource resource) {
    synchronized (resources) {
      resources.remove(resource);
    }
  }

  private void requireOpen() {
    if (!isOpen()) {
      throw new IllegalStateException("Context is closed");
    }
  }

  private void closeAfter(RuntimeException failure) {
    try {
      close();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }
}
