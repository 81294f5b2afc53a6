package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed number of daemon threads that help a caller with numbered parts of its work. One caller
 * has their help at a time; others do their work alone meanwhile, which changes no result, because
 * a part's result never depends on who computes it. Handing work over allocates nothing.
 *
 * <p>Each thread begins with parts of its own, always the same of so many, and takes over others'
 * when it is done: rows that one call wrote are mostly in the cache of the thread that reads them
 * in the next.
 */
final class WorkerPool {
  /** Work that falls into independent parts. */
  interface Work {
    /**
     * Does one part. Called once for each, on any thread, in any order.
     *
     * @param part number of the part
     */
    void run(int part);
  }

  // Long enough to catch the next stage of the same call, short enough not to burn an idle core.
  private static final int SPINS = 20_000;

  // Counters so many ints apart share no cache line, nor a pair of lines that is fetched together.
  private static final int COUNTER_STRIDE = 32;

  // A worker without a processor of its own needs ours to finish.
  private static final long MICROSECONDS_20 = 20_000;

  private final Worker[] workers;
  // Not a reentrant lock: a part that calls run() itself has to do its work alone.
  private final AtomicBoolean taken = new AtomicBoolean();
  // Of each thread: the next of its parts.
  private final AtomicIntegerArray next;
  private final AtomicInteger unfinished = new AtomicInteger();

  // Written by the caller before it raises the round, read by workers after they saw it.
  private @Nullable Work work;
  private int parts;
  private final AtomicInteger round = new AtomicInteger();
  private volatile @Nullable Throwable failure;

  /**
   * Starts the workers.
   *
   * @param threads number of threads that work on a call, the caller included; ≥ 1
   */
  WorkerPool(int threads) {
    next = new AtomicIntegerArray(threads * COUNTER_STRIDE);
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
      workers[i].start();
    }
  }

  /** {@return the number of threads that work on a call, the caller included} */
  int threads() {
    return workers.length + 1;
  }

  /** Tells whether every worker may touch a segment. */
  boolean sharesMemory(MemorySegment segment) {
    return workers.length == 0 || segment.isAccessibleBy(workers[0]);
  }

  /**
   * Does all parts and returns when they are done. If parts throw, one of the exceptions is thrown
   * here after all have ended.
   *
   * @param count number of parts
   * @param parallel whether workers may help
   * @param toDo the work
   */
  void run(int count, boolean parallel, Work toDo) {
    if (count <= 1 || workers.length == 0 || !parallel || !taken.compareAndSet(false, true)) {
      for (int part = 0; part < count; part++) {
        toDo.run(part);
      }
      return;
    }
    try {
      work = toDo;
      parts = count;
      for (int thread = 0; thread < threads(); thread++) {
        next.set(thread * COUNTER_STRIDE, first(thread, count));
      }
      unfinished.set(workers.length);
      round.incrementAndGet();
      for (Worker worker : workers) {
        if (worker.parked) {
          LockSupport.unpark(worker);
        }
      }
      drain(0, toDo, count);
      for (int spin = 0; unfinished.get() > 0; spin++) {
        if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          LockSupport.parkNanos(MICROSECONDS_20);
        }
      }
      work = null;
      Throwable thrown = failure;
      if (thrown != null) {
        failure = null;
        throwUnchecked(thrown);
      }
    } finally {
      taken.set(false);
    }
  }

  /** The first part of a thread's own. */
  private int first(int thread, int count) {
    return (int) ((long) count * thread / threads());
  }

  /** Does a thread's own parts, then those that others haven't begun. */
  private void drain(int self, Work toDo, int count) {
    try {
      for (int i = 0; i < threads(); i++) {
        int thread = (self + i) % threads();
        int end = first(thread + 1, count);
        for (int part = next.getAndIncrement(thread * COUNTER_STRIDE);
            part < end;
            part = next.getAndIncrement(thread * COUNTER_STRIDE)) {
          toDo.run(part);
        }
      }
    } catch (RuntimeException | Error e) {
      // Remembered, not thrown here: the caller must not return while others still write.
      failure = e;
    }
  }

  private static void throwUnchecked(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    throw (RuntimeException) thrown;
  }

  private final class Worker extends Thread {
    private final int number;
    private volatile boolean parked;

    Worker(int number) {
      super("borealis-worker-" + number);
      this.number = number;
      setDaemon(true);
    }

    @Override
    public void run() {
      int seen = 0;
      while (true) {
        seen = awaitRound(seen);
        Work toDo = work;
        if (toDo != null) {
          drain(number, toDo, parts);
        }
        unfinished.decrementAndGet();
      }
    }

    private int awaitRound(int seen) {
      for (int spin = 0; spin < SPINS; spin++) {
        int current = round.get();
        if (current != seen) {
          return current;
        }
        Thread.onSpinWait();
      }
      parked = true;
      try {
        while (true) {
          // Read after `parked` was set: a caller that raises the round later will see it set.
          int current = round.get();
          if (current != seen) {
            return current;
          }
          LockSupport.park(this);
        }
      } finally {
        parked = false;
      }
    }
  }
}
