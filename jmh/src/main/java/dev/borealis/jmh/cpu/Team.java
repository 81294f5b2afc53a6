package dev.borealis.jmh.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Some threads that do the parts of a floor at once, spinning in between: the least hand-off. They
 * park when left alone, so as not to keep processors from what is measured next.
 */
public final class Team implements AutoCloseable {
  private static final int SPINS = 20_000;

  private final int threads;
  private final List<Thread> helpers = new ArrayList<>();
  private final AtomicInteger round = new AtomicInteger();
  private final AtomicInteger busy = new AtomicInteger();
  private volatile @Nullable IntConsumer work;
  private volatile boolean closed;

  /**
   * Starts the helpers.
   *
   * @param threads number of threads, the caller's included
   */
  public Team(int threads) {
    this.threads = threads;
    for (int part = 1; part < threads; part++) {
      int mine = part;
      helpers.add(Thread.ofPlatform().daemon().name("floor-" + part).start(() -> help(mine)));
    }
  }

  private void help(int part) {
    int seen = 0;
    int idle = 0;
    while (!closed) {
      int current = round.get();
      IntConsumer toDo = work;
      if (current != seen && toDo != null) {
        seen = current;
        toDo.accept(part);
        busy.decrementAndGet();
        idle = 0;
      }
      if (++idle < SPINS) {
        Thread.onSpinWait();
      } else {
        LockSupport.park(this);
      }
    }
  }

  /**
   * Runs all parts, one a thread.
   *
   * @param toDo takes the number of the part
   */
  public void run(IntConsumer toDo) {
    work = toDo;
    busy.set(threads - 1);
    round.incrementAndGet();
    helpers.forEach(LockSupport::unpark);
    toDo.accept(0);
    while (busy.get() > 0) {
      Thread.onSpinWait();
    }
  }

  /** Ends the helpers. */
  @Override
  public void close() {
    closed = true;
    helpers.forEach(LockSupport::unpark);
  }
}
