package dev.borealis.internal;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/** Counters of the bytes that threads have allocated on the heap. */
public final class HeapBytes {
  private static final long LONGEST_WARM_UP_NANOS = 10_000_000_000L;

  private static final MethodHandle CURRENT_THREAD = counter("getCurrentThreadAllocatedBytes");
  private static final MethodHandle ALL_THREADS = counter("getTotalThreadAllocatedBytes");

  private HeapBytes() {}

  /** By name, because the module under test does not read jdk.management. */
  private static MethodHandle counter(String name) {
    try {
      Class<?> bean = Class.forName("com.sun.management.ThreadMXBean");
      Object threads =
          Class.forName("java.lang.management.ManagementFactory")
              .getMethod("getThreadMXBean")
              .invoke(null);
      return MethodHandles.publicLookup()
          .findVirtual(bean, name, MethodType.methodType(long.class))
          .bindTo(threads);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("no counter of allocated bytes", e);
    }
  }

  /** Returns what the calling thread has allocated since it started. */
  public static long ofThisThread() {
    return read(CURRENT_THREAD);
  }

  /** Returns what all threads have allocated since the JVM started. */
  public static long ofAllThreads() {
    return read(ALL_THREADS);
  }

  /**
   * Returns what 20 calls on this thread allocate once they are compiled: the least that any of
   * many rounds allocates.
   *
   * @param call what to measure
   */
  public static long afterWarmUp(Runnable call) {
    long least = Long.MAX_VALUE;
    // By the clock: other tests' kernels may be ahead in the compiler's queue.
    long end = System.nanoTime() + LONGEST_WARM_UP_NANOS;
    while (least > 0 && System.nanoTime() < end) {
      long before = ofThisThread();
      for (int i = 0; i < 20; i++) {
        call.run();
      }
      least = Math.min(least, ofThisThread() - before);
    }
    return least;
  }

  private static long read(MethodHandle counter) {
    try {
      return (long) counter.invokeExact();
    } catch (Throwable e) {
      throw new LinkageError("the counter of allocated bytes failed", e);
    }
  }
}
