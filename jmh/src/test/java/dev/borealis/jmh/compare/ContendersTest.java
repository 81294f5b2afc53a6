package dev.borealis.jmh.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.backend.Backend;
import dev.borealis.jmh.Method;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What the comparison times is the real thing, for Borealis and for the peers that are there: with
 * {@code -Pbench} all of them.
 */
class ContendersTest {
  private static final Layer LAYER = new Layer(List.of("test"), 40, 24);

  @Test
  void everyContenderComputesWhatTheOracleComputes() {
    Checks checks = new Checks();
    List<Contender> contenders =
        Contenders.open(1, reason -> System.out.println("Skipped: " + reason));
    assertEquals(Borealis.NAME, contenders.getFirst().name());
    for (Contender contender : contenders) {
      for (Method method : Method.values()) {
        for (Call call : Call.values()) {
          if (call == Call.MERGE && method != Method.LORA) {
            continue; // has no exact merge
          }
          for (int tokens : new int[] {1, 5}) {
            Case c = new Case(LAYER, method, call, 3, tokens, 1);
            assertEquals("", checks.againstOracle(contender, c), contender.name() + " " + c.id());
          }
        }
      }
    }
  }

  @Test
  void aContenderThatComputesSomethingElseIsFound() {
    for (Call call : Call.values()) {
      Case c = new Case(LAYER, Method.LORA, call, 3, 5, 1);
      assertNotEquals("", new Checks().againstOracle(new Idle(), c));
    }
  }

  @Test
  void everySlotIsComputed() {
    for (Contender contender : Contenders.open(1, reason -> {})) {
      try (Problem problem = new Problem(Method.LORA, LAYER, 3, 5, 2)) {
        for (Contender.Prepared form : contender.prepare(problem, Call.FORWARD)) {
          try (form) {
            form.run(1);
          }
        }
      }
    }
    try (Problem problem = new Problem(Method.LORA, LAYER, 3, 5, 2)) {
      Outputs before = new Outputs(problem.yStart(), java.util.Map.of());
      Contender.Prepared form =
          new Borealis(Backend.require("panama")).prepare(problem, Call.FORWARD).getFirst();
      try (form) {
        form.run(1);
      }
      assertEquals("", current(problem, 0).differences(before, 0));
      assertTrue(!current(problem, 1).differences(before, 1e-6).isEmpty());
    }
  }

  private static Outputs current(Problem problem, int slot) {
    return new Outputs(Problem.floats(problem.batch(slot).y()), java.util.Map.of());
  }

  /** Does nothing. */
  private static final class Idle implements Contender {
    @Override
    public String name() {
      return "idle";
    }

    @Override
    public List<Prepared> prepare(Problem problem, Call call) {
      Prepared real = new Borealis(Backend.require("panama")).prepare(problem, call).getFirst();
      return List.of(
          new Prepared() {
            @Override
            public void run(int slot) {}

            @Override
            public void reset() {
              real.reset();
            }

            @Override
            public Outputs outputs() {
              return real.outputs();
            }

            @Override
            public void close() {
              real.close();
            }
          });
    }
  }
}
