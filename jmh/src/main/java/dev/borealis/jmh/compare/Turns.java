package dev.borealis.jmh.compare;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Times calls in turn, a batch of each a round, so that a slow phase of the machine meets all of
 * them. JMH can't: it finishes one benchmark before it begins the next, and on a machine that
 * others use too a ratio of such times means little.
 */
final class Turns {
  private static final long WINDOW_NANOS = 15_000_000;
  private static final double BATCH_NANOS = 2_000_000;
  private static final int MIN_ROUNDS = 5;
  private static final int MAX_ROUNDS = 200;

  /** A warm-up ends when so many windows in a row brought no progress. */
  private static final int CALM_WINDOWS = 6;

  private static final double PROGRESS = 0.97;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Turns() {}

  /**
   * What takes turns.
   *
   * @param name in reports
   * @param slots number of batches of data
   * @param call computes one of them
   */
  record Turn(String name, int slots, IntConsumer call) {}

  /**
   * Runs a call until it gets no faster: compiled, its pages mapped, its threads started. Vector
   * code allocates until it is compiled, which tells when that is.
   *
   * @param turn the call
   * @param garbageFree whether the call allocates nothing once compiled
   * @param maxSeconds when to give up waiting
   * @return nanoseconds of a call in the best window
   */
  static double warmUp(Turn turn, boolean garbageFree, double maxSeconds) {
    long start = System.nanoTime();
    double best = Double.MAX_VALUE;
    int calm = 0;
    int slot = 0;
    while (calm < CALM_WINDOWS && System.nanoTime() - start < maxSeconds * 1e9) {
      long bytes = THREADS.getCurrentThreadAllocatedBytes();
      long from = System.nanoTime();
      int calls = 0;
      long now;
      do {
        turn.call.accept(slot);
        slot = (slot + 1) % turn.slots;
        calls++;
        now = System.nanoTime();
      } while (now - from < WINDOW_NANOS);
      double time = (now - from) / (double) calls;
      boolean garbage = THREADS.getCurrentThreadAllocatedBytes() > bytes;
      calm = time < best * PROGRESS || (garbageFree && garbage) ? 0 : calm + 1;
      best = Math.min(best, time);
    }
    return best;
  }

  /**
   * Times calls that are warm.
   *
   * @param turns the calls
   * @param expected nanoseconds of a call of each
   * @param seconds to spend in all; at least five rounds are done
   * @return the times, in the order of the calls
   */
  static List<Timing> time(List<Turn> turns, List<Double> expected, double seconds) {
    int count = turns.size();
    int[] repeats = new int[count];
    int[] slots = new int[count];
    long[] allocated = new long[count];
    List<List<Double>> nanos = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      repeats[i] = (int) Math.clamp(BATCH_NANOS / expected.get(i), 1, 100_000);
      allocated[i] = Long.MAX_VALUE;
      nanos.add(new ArrayList<>());
    }
    long end = System.nanoTime() + (long) (seconds * 1e9);
    for (int round = 0;
        round < MIN_ROUNDS || (round < MAX_ROUNDS && System.nanoTime() < end);
        round++) {
      for (int k = 0; k < count; k++) {
        // Back and forth, so that nobody always follows the same neighbour.
        int i = round % 2 == 0 ? k : count - 1 - k;
        Turn turn = turns.get(i);
        // Wakes the caches, and the threads of whoever has some.
        turn.call.accept(slots[i]);
        long bytes = THREADS.getCurrentThreadAllocatedBytes();
        long start = System.nanoTime();
        for (int call = 0; call < repeats[i]; call++) {
          slots[i] = slots[i] + 1 == turn.slots ? 0 : slots[i] + 1;
          turn.call.accept(slots[i]);
        }
        long time = Math.max(1, System.nanoTime() - start);
        bytes = THREADS.getCurrentThreadAllocatedBytes() - bytes;
        allocated[i] = Math.min(allocated[i], bytes);
        nanos.get(i).add(time / (double) repeats[i]);
      }
    }
    List<Timing> timings = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      timings.add(
          new Timing(
              turns.get(i).name,
              nanos.get(i).stream().mapToDouble(Double::doubleValue).toArray(),
              allocated[i] / (double) repeats[i]));
    }
    return timings;
  }
}
