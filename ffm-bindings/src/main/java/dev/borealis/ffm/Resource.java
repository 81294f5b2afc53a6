package dev.borealis.ffm;

import java.util.concurrent.atomic.AtomicBoolean;

/** Something that lives in a context and is released once. */
abstract class Resource implements AutoCloseable {
  private final Context context;
  private final AtomicBoolean closed = new AtomicBoolean();

  Resource(Context context) {
    this.context = context;
  }

  /**
   * Hands a new resource to its context, which closes it at the latest when it is closed itself.
   */
  static <R extends Resource> R register(R resource) {
    resource.context().adopt(resource);
    return resource;
  }

  /**
   * Returns the context this lives in.
   *
   * @return the context it was created in
   */
  public final Context context() {
    return context;
  }

  /**
   * Returns whether this is open.
   *
   * @return false once {@link #close()} was called
   */
  public final boolean isOpen() {
    return !closed.get();
  }

  /**
   * Releases what this holds. A second call does nothing.
   *
   * @throws CudaException if the driver reports an error; this counts as closed nevertheless
   */
  @Override
  public final void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    context.forget(this);
    var cleanup = new Cleanup();
    cleanup.run(context::setCurrent);
    cleanup.run(this::release);
    cleanup.finish();
  }

  /** Releases the native object; called once, with the context current. */
  abstract void release();

  /** Checks that this is open and makes its context current on the calling thread. */
  final void enter() {
    requireOpen();
    context.makeCurrent();
  }

  final void requireOpen() {
    if (closed.get()) {
      throw new IllegalStateException(getClass().getSimpleName() + " is closed");
    }
  }

  /** Checks that another resource is open and lives in the same context. */
  final void requireTogether(Resource other) {
    other.requireOpen();
    if (other.context != context) {
      throw new IllegalArgumentException(
          other.getClass().getSimpleName()
              + " is of another context than "
              + getClass().getSimpleName());
    }
  }
}
