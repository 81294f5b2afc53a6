package dev.borealis.serving;

import dev.borealis.adapter.Adapter;
import java.util.Collections;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The right to use one version of an adapter until {@link #close}: until then its memory stays,
 * even if the registry swaps or evicts it. May be passed between threads; its adapters must not be
 * used after the end, nor closed or repacked at all.
 */
public final class Lease implements AutoCloseable {
  private final AdapterRegistry registry;
  private final Version version;
  private final String name;
  private final AtomicBoolean closed = new AtomicBoolean();

  Lease(AdapterRegistry registry, String name, Version version) {
    this.registry = registry;
    this.name = name;
    this.version = version;
  }

  /** {@return the adapter's name in the registry} */
  public String name() {
    return name;
  }

  /** {@return the paths of the modules that the adapter is attached to} */
  public Set<String> modules() {
    return Collections.unmodifiableSet(version.adapters().keySet());
  }

  /**
   * {@return what is attached to a module; null if nothing is} The memory of its {@link
   * Adapter#weights()} is gone; only the packed copy is kept.
   *
   * @param module path, whole
   * @throws IllegalStateException if the lease is closed
   */
  public @Nullable Adapter adapter(String module) {
    if (closed.get()) {
      throw new IllegalStateException("lease of " + name + ": expected an open one, came a closed");
    }
    return version.adapters().get(module);
  }

  /** Ends the lease; frees the memory if this was the last use. A second call does nothing. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      registry.release(version);
    }
  }
}
