package dev.borealis.serving;

import dev.borealis.backend.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The adapters of a long-running process, by name: loaded, swapped for new versions and evicted
 * while requests use them. Safe for all threads.
 *
 * <p>{@link #acquire} never waits. What a {@link Lease} gives stays the same version until the
 * lease ends; a version that was swapped out or evicted is freed once, when its last lease ends, by
 * the thread that ends it. Loading reads and packs on the caller's thread, beside everything else;
 * only putting the result in is one at a time.
 *
 * <p>Bytes are those of the weights, each number as F32, of all versions that are not freed yet. A
 * load beyond the budget evicts the least recently acquired adapters that nobody leases. While it
 * is being packed a version isn't counted, nor is, at its insertion, the one that it replaces.
 */
public final class AdapterRegistry implements AutoCloseable {
  private final Backend backend;
  private final long byteBudget;
  private final Map<String, Version> current = new ConcurrentHashMap<>();
  // Held to change `current`, never to read it.
  private final ReentrantLock writing = new ReentrantLock();
  private volatile boolean closed;

  private final AtomicLong clock = new AtomicLong();
  private final LongAdder hits = new LongAdder();
  private final LongAdder misses = new LongAdder();
  private final LongAdder loads = new LongAdder();
  private final LongAdder swaps = new LongAdder();
  private final LongAdder evictions = new LongAdder();
  private final AtomicInteger open = new AtomicInteger();
  private final AtomicLong bytes = new AtomicLong();

  /**
   * Makes an empty registry.
   *
   * @param backend prepares the adapters
   * @param byteBudget most bytes of weights, ≥ 0
   * @throws IllegalArgumentException if the budget is negative
   */
  public AdapterRegistry(Backend backend, long byteBudget) {
    this.backend = Objects.requireNonNull(backend, "backend");
    if (byteBudget < 0) {
      throw new IllegalArgumentException("byteBudget: expected at least 0, came " + byteBudget);
    }
    this.byteBudget = byteBudget;
  }

  /**
   * Acquires the current version of an adapter. Never waits.
   *
   * @param name as given to {@link #load}
   * @return to be closed after the last use; null if there is no such adapter
   * @throws IllegalStateException if the registry is closed
   */
  public @Nullable Lease acquire(String name) {
    Objects.requireNonNull(name, "name");
    requireOpen();
    Version version = current.get(name);
    while (version != null) {
      if (version.retain()) {
        version.touch(clock.incrementAndGet());
        hits.increment();
        return new Lease(this, name, version);
      }
      // Its last user has gone since we looked: swapped, so look again, or evicted.
      Version next = current.get(name);
      version = next == version ? null : next;
    }
    misses.increment();
    return null;
  }

  /**
   * Loads an adapter and puts it in under a name; the version that has the name is swapped out.
   *
   * @param name of the adapter
   * @param loader gives the weights; called once, on this thread
   * @throws IOException if the loader throws it
   * @throws IllegalStateException if leased adapters leave too little of the budget, or the
   *     registry is closed; nothing has changed then
   * @throws IllegalArgumentException if the adapter alone is beyond the budget
   */
  public void load(String name, AdapterLoader loader) throws IOException {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(loader, "loader");
    requireOpen();
    Version version = Version.prepare(backend, loader);
    boolean done = false;
    try {
      insert(name, version);
      done = true;
    } finally {
      if (!done) {
        version.free();
      }
    }
  }

  private void insert(String name, Version version) {
    if (version.bytes() > byteBudget) {
      throw new IllegalArgumentException(
          name
              + ": expected at most the budget of "
              + byteBudget
              + " bytes, came "
              + version.bytes());
    }
    Version old;
    writing.lock();
    try {
      requireOpen();
      old = current.get(name);
      makeRoom(name, version.bytes() - (old == null ? 0 : old.bytes()));
      version.touch(clock.incrementAndGet());
      open.incrementAndGet();
      bytes.addAndGet(version.bytes());
      current.put(name, version);
      loads.increment();
      if (old != null) {
        swaps.increment();
      }
    } finally {
      writing.unlock();
    }
    if (old != null) {
      release(old);
    }
  }

  /** Evicts until there is room for some bytes more, or throws before it evicts any. */
  private void makeRoom(String name, long more) {
    if (bytes.get() + more <= byteBudget) {
      return;
    }
    List<Map.Entry<String, Version>> unused = new ArrayList<>();
    long evictable = 0;
    for (Map.Entry<String, Version> entry : current.entrySet()) {
      if (!entry.getKey().equals(name) && !entry.getValue().isLeased()) {
        unused.add(Map.entry(entry.getKey(), entry.getValue()));
        evictable += entry.getValue().bytes();
      }
    }
    if (bytes.get() + more - evictable <= byteBudget) {
      evictOldest(unused, more);
    }
    if (bytes.get() + more > byteBudget) {
      throw new IllegalStateException(
          name
              + ": expected room for "
              + more
              + " bytes more within the budget of "
              + byteBudget
              + ", came "
              + bytes.get()
              + " bytes in use, of which leases end too few");
    }
  }

  private void evictOldest(List<Map.Entry<String, Version>> unused, long more) {
    // By times taken once: acquire may change them meanwhile, which a sort doesn't bear.
    long[] times = unused.stream().mapToLong(entry -> entry.getValue().lastUse()).toArray();
    for (int done = 0; done < times.length && bytes.get() + more > byteBudget; done++) {
      int oldest = 0;
      for (int i = 1; i < times.length; i++) {
        if (times[i] < times[oldest]) {
          oldest = i;
        }
      }
      times[oldest] = Long.MAX_VALUE;
      Version version = unused.get(oldest).getValue();
      // False if somebody has acquired it since.
      if (version.retireIfUnused()) {
        current.remove(unused.get(oldest).getKey());
        evictions.increment();
        free(version);
      }
    }
  }

  /**
   * Takes an adapter out. Leases of it stay good until they end.
   *
   * @param name of the adapter
   * @return whether there was one
   * @throws IllegalStateException if the registry is closed
   */
  public boolean evict(String name) {
    Objects.requireNonNull(name, "name");
    Version version;
    writing.lock();
    try {
      requireOpen();
      version = current.remove(name);
    } finally {
      writing.unlock();
    }
    if (version == null) {
      return false;
    }
    evictions.increment();
    release(version);
    return true;
  }

  /** {@return what has been counted so far; still there after {@link #close}} */
  public Counters counters() {
    return new Counters(
        hits.sum(),
        misses.sum(),
        loads.sum(),
        swaps.sum(),
        evictions.sum(),
        current.size(),
        open.get(),
        bytes.get());
  }

  void release(Version version) {
    if (version.release()) {
      free(version);
    }
  }

  private void free(Version version) {
    version.free();
    open.decrementAndGet();
    bytes.addAndGet(-version.bytes());
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("registry: expected an open one, came a closed one");
    }
  }

  /**
   * Takes all adapters out and refuses new ones. Leases stay good until they end. A second call
   * does nothing.
   */
  @Override
  public void close() {
    List<Version> versions;
    writing.lock();
    try {
      closed = true;
      versions = List.copyOf(current.values());
      current.clear();
    } finally {
      writing.unlock();
    }
    versions.forEach(this::release);
  }
}
