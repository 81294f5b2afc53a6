package dev.borealis.internal;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/** Counts the heap bytes that a thread allocates. */
public final class Allocation {
  private static final MethodHandle COUNTER = counter();

  private Allocation() {}

  /** By name, because the module under test does not read jdk.management. */
  private static MethodHandle counter() {
    try {
      Class<?> bean = Class.forName("com.sun.management.ThreadMXBean");
      Object threads =
          Class.forName("java.lang.management.ManagementFactory")
              .getMethod("getThreadMXBean")
              .invoke(null);
      return MethodHandles.publicLookup()
          .findVirtual(bean, "getCurrentThreadAllocatedBytes", MethodType.methodType(long.class))
          .bindTo(threads);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("no counter of allocated bytes", e);
    }
  }

  /**
   * Returns what 20 calls allocate once they are compiled: the least that any of many rounds
   * allocates.
   *
   * @param call what to measure
   */
  public static long bytesAfterWarmUp(Runnable call) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 1000 && least > 0; round++) {
      long before = allocated();
      for (int i = 0; i < 20; i++) {
        call.run();
      }
      least = Math.min(least, allocated() - before);
    }
    return least;
  }

  private static long allocated() {
    try {
      return (long) COUNTER.invokeExact();
    } catch (Throwable e) {
      throw new LinkageError("the counter of allocated bytes failed", e);
    }
  }
}
