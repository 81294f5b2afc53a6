package dev.borealis.serving;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What one load has made: a prepared adapter for each module, and how many use it. The registry
 * counts as one user. When the count falls to 0 it stays there, and the memory is freed.
 */
final class Version {
  private final Map<String, Adapter> adapters;
  private final long bytes;
  private final AtomicInteger users = new AtomicInteger(1);
  private volatile long lastUse;

  private Version(Map<String, Adapter> adapters, long bytes) {
    this.adapters = adapters;
    this.bytes = bytes;
  }

  /** Loads and packs; what was loaded is freed again. */
  static Version prepare(Backend backend, AdapterLoader loader) throws IOException {
    Map<String, Adapter> adapters = new LinkedHashMap<>();
    boolean done = false;
    try (Arena arena = Arena.ofConfined()) {
      long bytes = 0;
      for (Map.Entry<String, AdapterWeights> module : loader.load(arena).entrySet()) {
        adapters.put(module.getKey(), backend.prepare(module.getValue()));
        bytes += bytes(module.getValue());
      }
      done = true;
      return new Version(adapters, bytes);
    } finally {
      if (!done) {
        adapters.values().forEach(Adapter::close);
      }
    }
  }

  private static long bytes(AdapterWeights weights) {
    long bytes = 0;
    for (Parameter parameter : weights.parameters()) {
      bytes += weights.get(parameter).rows() * weights.get(parameter).columns() * Float.BYTES;
    }
    return bytes;
  }

  Map<String, Adapter> adapters() {
    return adapters;
  }

  long bytes() {
    return bytes;
  }

  /** When it was last acquired, on the registry's clock. */
  long lastUse() {
    return lastUse;
  }

  void touch(long time) {
    lastUse = time;
  }

  /** Tells whether anybody but the registry uses it. */
  boolean isLeased() {
    return users.get() > 1;
  }

  /** Becomes a user, unless the last one has gone. */
  boolean retain() {
    int now = users.get();
    while (now > 0) {
      if (users.compareAndSet(now, now + 1)) {
        return true;
      }
      now = users.get();
    }
    return false;
  }

  /** Stops being a user; tells whether this was the last one, who is to {@link #free} it. */
  boolean release() {
    return users.decrementAndGet() == 0;
  }

  /** Takes the registry's use away if it is the only one; the caller is to {@link #free} it. */
  boolean retireIfUnused() {
    return users.compareAndSet(1, 0);
  }

  void free() {
    adapters.values().forEach(Adapter::close);
  }
}
