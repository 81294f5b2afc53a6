package dev.borealis.examples.encoder;

/** How many threads a demonstration uses. */
public final class Threads {
  private Threads() {}

  /**
   * Gives everything the same number of threads, the JDK's common pool included: that of {@code
   * borealis.threads}, or 2. Only before either has started.
   *
   * @return the number
   */
  public static int limit() {
    int threads = Integer.getInteger("borealis.threads", 2);
    System.setProperty("borealis.threads", Integer.toString(threads));
    System.setProperty(
        "java.util.concurrent.ForkJoinPool.common.parallelism", Integer.toString(threads - 1));
    return threads;
  }
}
