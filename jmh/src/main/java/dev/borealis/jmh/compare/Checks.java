package dev.borealis.jmh.compare;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Nothing is timed that computes something else: a contender's call with few tokens is compared
 * with the oracle, the timed call with that of Borealis.
 */
final class Checks {
  private static final int FEW_TOKENS = 5;
  private static final double FORWARD = 1e-5;
  private static final double BACKWARD = 1e-4;

  /** Beyond so many activations the timed call isn't compared as well. */
  private static final long MANY = 8_000_000;

  private final Map<String, String> verdicts = new HashMap<>();
  private String lastId = "";
  private @Nullable Outputs last;

  /**
   * Compares a contender's calls with the oracle.
   *
   * @return what is wrong; empty if nothing is
   */
  String againstOracle(Contender contender, Case c) {
    int tokens = Math.min(FEW_TOKENS, c.tokens());
    Case few = new Case(c.layer(), c.method(), c.call(), c.rank(), tokens, c.threads());
    return verdicts.computeIfAbsent(
        contender.name() + " " + few.id(), key -> compare(contender, few));
  }

  private String compare(Contender contender, Case c) {
    StringBuilder wrong = new StringBuilder();
    try (Problem problem = new Problem(c.method(), c.layer(), c.rank(), c.tokens(), 1)) {
      for (Contender.Prepared form : contender.prepare(problem, c.call())) {
        try (form) {
          Outputs expected = expected(problem, c);
          wrong.append(outputs(form).differences(expected, tolerance(c.call())));
        }
      }
    }
    return wrong.toString();
  }

  /** The contenders of a case come one after the other, and the oracle is slow. */
  private Outputs expected(Problem problem, Case c) {
    Outputs outputs = last;
    if (outputs == null || !lastId.equals(c.id())) {
      outputs = Oracle.outputs(problem, c.call());
      last = outputs;
      lastId = c.id();
    }
    return outputs;
  }

  /** {@return the outputs of one call from the start} */
  static Outputs outputs(Contender.Prepared form) {
    form.reset();
    form.run(0);
    return form.outputs();
  }

  static double tolerance(Call call) {
    return call == Call.FORWARD || call == Call.MERGE ? FORWARD : BACKWARD;
  }

  /** {@return whether the outputs of a case are few enough to be compared at its size} */
  static boolean comparable(Case c) {
    // The oracle has computed a merge at its size.
    return c.call() != Call.MERGE
        && (long) c.tokens() * (c.layer().inFeatures() + c.layer().outFeatures()) <= MANY;
  }
}
