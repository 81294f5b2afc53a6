package dev.borealis.testing;

import java.lang.foreign.Arena;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Work on threads that are not the test's. */
public final class Threads {
  private Threads() {}

  /**
   * Computes a value on a new thread and waits for it.
   *
   * @param work the computation
   */
  public static <T> T elsewhere(Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread.ofPlatform().daemon().start(task);
    try {
      return task.get();
    } catch (InterruptedException | ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Returns a confined arena of another thread. It can't be closed here and holds little. */
  public static Arena foreignArena() {
    return elsewhere(Arena::ofConfined);
  }
}
