package dev.borealis.jmh.compare;

import dev.borealis.jmh.cpu.Limits;
import dev.borealis.jmh.cpu.Team;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Measures cases with a given number of threads: sets up, checks, warms up, takes turns. */
final class Bench implements AutoCloseable {
  private static final double OURS_WARM_UP = 20;
  private static final double PEER_WARM_UP = 1;
  private static final double LIMIT_WARM_UP = 5;
  private static final int MANY_TOKENS = 512;
  private static final int MAX_SLOTS = 48;
  private static final int ATTEMPTS = 3;

  private final int threads;
  private final List<Contender> contenders;
  private final Checks checks = new Checks();
  private final Team team;
  private final long lastLevelCache;

  Bench(int threads, List<Contender> contenders, long lastLevelCache) {
    this.threads = threads;
    this.contenders = contenders;
    this.team = new Team(threads);
    this.lastLevelCache = lastLevelCache;
  }

  /**
   * Measures a case.
   *
   * @param c the case
   * @param seconds to spend, set-up included; at least five rounds are done
   */
  Result measure(Case c, double seconds) {
    long start = System.nanoTime();
    List<String> notes = new ArrayList<>();
    List<Turns.Turn> turns = new ArrayList<>();
    List<Double> expected = new ArrayList<>();
    List<Contender.Prepared> open = new ArrayList<>();
    try (Problem problem = new Problem(c.method(), c.layer(), c.rank(), c.tokens(), slots(c));
        Arena arena = Arena.ofShared()) {
      Outputs ours = null;
      for (Contender contender : contenders) {
        String wrong = checks.againstOracle(contender, c);
        if (!wrong.isEmpty()) {
          notes.add(contender.name() + " differs from the oracle: " + wrong);
          continue;
        }
        contender.warmUp(c);
        List<Contender.Prepared> forms = contender.prepare(problem, c.call());
        if (ours == null && Checks.comparable(c) && !forms.isEmpty()) {
          ours = Checks.outputs(forms.getFirst());
        }
        boolean first = contender.name().equals(Borealis.NAME) && c.call().garbageFree();
        double warmUp = first ? OURS_WARM_UP : PEER_WARM_UP;
        Fastest fastest = fastest(contender, forms, problem, first, warmUp, ours, c, notes);
        if (fastest != null) {
          open.add(fastest.form);
          turns.add(new Turns.Turn(contender.name(), problem.slots(), fastest.form::run));
          expected.add(fastest.nanos);
        }
      }
      Floor floor = new Floor(problem, c.call(), threads, team, arena);
      add(turns, expected, new Turns.Turn(Result.FLOOR, problem.slots(), floor::run));
      add(turns, expected, new Turns.Turn(Result.PEAK, 1, slot -> Limits.peak()));
      List<Timing> timings = new ArrayList<>();
      for (int attempt = 0;
          attempt == 0 || (attempt < ATTEMPTS && allocates(c, timings));
          attempt++) {
        if (attempt > 0) {
          // The compiler was not done: what it compiles anew in between isn't what is asked for.
          Turns.warmUp(turns.getFirst(), true, OURS_WARM_UP);
        }
        double left = seconds - (System.nanoTime() - start) / 1e9;
        timings = new ArrayList<>(Turns.time(turns, expected, left));
      }
      timings.replaceAll(timing -> forFlops(timing, c));
      return new Result(c, timings, notes);
    } finally {
      open.forEach(Contender.Prepared::close);
    }
  }

  private static boolean allocates(Case c, List<Timing> timings) {
    return new Result(c, timings, List.of()).allocated() > 0;
  }

  private record Fastest(Contender.Prepared form, double nanos) {}

  private static @Nullable Fastest fastest(
      Contender contender,
      List<Contender.Prepared> forms,
      Problem problem,
      boolean garbageFree,
      double warmUp,
      @Nullable Outputs ours,
      Case c,
      List<String> notes) {
    Fastest best = null;
    for (Contender.Prepared form : forms) {
      String wrong =
          ours == null ? "" : Checks.outputs(form).differences(ours, Checks.tolerance(c.call()));
      if (!wrong.isEmpty()) {
        notes.add(contender.name() + " differs from Borealis: " + wrong);
        form.close();
        continue;
      }
      double nanos =
          Turns.warmUp(
              new Turns.Turn(contender.name(), problem.slots(), form::run), garbageFree, warmUp);
      if (best == null || nanos < best.nanos) {
        if (best != null) {
          best.form.close();
        }
        best = new Fastest(form, nanos);
      } else {
        form.close();
      }
    }
    return best;
  }

  private static void add(List<Turns.Turn> turns, List<Double> expected, Turns.Turn limit) {
    turns.add(limit);
    expected.add(Turns.warmUp(limit, true, LIMIT_WARM_UP));
  }

  /** The peak loop's time becomes that of the case's arithmetic on all threads. */
  private Timing forFlops(Timing timing, Case c) {
    if (!timing.name().equals(Result.PEAK)) {
      return timing;
    }
    double factor = c.flops() / Limits.PEAK_FLOPS / threads;
    double[] nanos = timing.nanos().clone();
    for (int i = 0; i < nanos.length; i++) {
      nanos[i] *= factor;
    }
    return new Timing(timing.name(), nanos, timing.bytesPerCall());
  }

  /** Calls of many tokens find their activations in memory: twice the last-level cache of them. */
  private int slots(Case c) {
    if (c.tokens() < MANY_TOKENS) {
      return 1;
    }
    long in = 4L * c.tokens() * c.layer().inFeatures();
    long out = 4L * c.tokens() * c.layer().outFeatures();
    long bytes =
        switch (c.call()) {
          case FORWARD, MERGE -> in + out;
          case BACKWARD -> 2 * in + out;
          case STEP -> 2 * in + 2 * out;
        };
    return Math.clamp((2 * lastLevelCache + bytes - 1) / bytes, 1, MAX_SLOTS);
  }

  @Override
  public void close() {
    team.close();
  }
}
