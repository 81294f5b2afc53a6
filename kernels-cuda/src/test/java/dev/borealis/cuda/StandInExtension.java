package dev.borealis.cuda;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Builds the stand-in before the first test class, and skips all that need it where that can't be
 * done. Classes tagged {@code nodriver} run all the same.
 */
public final class StandInExtension implements ExecutionCondition {
  private static final AtomicBoolean PRINTED = new AtomicBoolean();

  /** For {@link java.util.ServiceLoader}. */
  public StandInExtension() {}

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    if (context.getTags().contains("nodriver")) {
      return ConditionEvaluationResult.enabled("needs no driver");
    }
    return StandIn.problem()
        .map(problem -> {
          if (PRINTED.compareAndSet(false, true)) {
            System.out.println("Skipped: " + problem);
          }
          return ConditionEvaluationResult.disabled(problem);
        })
        .orElseGet(() -> ConditionEvaluationResult.enabled("the stand-in is there"));
  }
}
