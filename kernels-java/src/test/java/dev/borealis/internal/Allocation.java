package dev.borealis.internal;

/** What a call allocates on the heap once it is compiled. */
public final class Allocation {
  private Allocation() {}

  /**
   * Returns what 20 calls allocate once they are compiled: the least that any of many rounds
   * allocates.
   *
   * @param call what to measure
   */
  public static long bytesAfterWarmUp(Runnable call) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 1000 && least > 0; round++) {
      long before = HeapBytes.ofThisThread();
      for (int i = 0; i < 20; i++) {
        call.run();
      }
      least = Math.min(least, HeapBytes.ofThisThread() - before);
    }
    return least;
  }
}
