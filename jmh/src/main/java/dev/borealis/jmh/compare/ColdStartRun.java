package dev.borealis.jmh.compare;

import com.google.gson.Gson;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.peer.PeerUnavailableException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/** Measures the {@link ColdStart} of one contender, in a process of its own. */
final class ColdStartRun {
  private static final double SECONDS = 5;
  private static final double STEADY = 1.5;
  private static final long WINDOW_NANOS = 10_000_000;
  private static final Layer LAYER = new Layer(List.of(), 768, 768);

  private ColdStartRun() {}

  /**
   * Runs.
   *
   * @param args the contender's name
   * @throws PeerUnavailableException if it can't be had here
   */
  public static void main(String[] args) throws PeerUnavailableException {
    ContenderProvider provider =
        Contenders.providers().stream()
            .filter(candidate -> candidate.name().equals(args[0]))
            .findFirst()
            .orElseThrow();
    try (Problem problem = new Problem(Method.AURORA, LAYER, 8, 16, 1)) {
      Contender.Prepared call = provider.open(1).prepare(problem, Call.FORWARD).getFirst();
      double prepared = sinceStart();
      call.run(0);
      double firstCall = sinceStart();
      List<double[]> windows = new ArrayList<>();
      double best = Double.MAX_VALUE;
      while (sinceStart() < firstCall + SECONDS * 1e3) {
        long from = System.nanoTime();
        int calls = 0;
        while (System.nanoTime() - from < WINDOW_NANOS) {
          call.run(0);
          calls++;
        }
        double time = (System.nanoTime() - from) / (double) calls;
        windows.add(new double[] {sinceStart(), time});
        best = Math.min(best, time);
      }
      double steady = firstCall;
      for (double[] window : windows) {
        if (window[1] <= best * STEADY) {
          steady = window[0];
          break;
        }
      }
      System.out.println(
          CompareRun.RESULT
              + new Gson().toJson(new ColdStart(args[0], prepared, firstCall, steady)));
    }
    System.exit(0);
  }

  private static double sinceStart() {
    return System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime();
  }
}
