package dev.borealis.adapter;

import java.util.Objects;

/**
 * What happens to the old values of the gradients in a backward call.
 *
 * @param input for dX
 * @param parameters for the gradients of the parameters
 */
public record GradientOptions(Update input, Update parameters) {
  /** Checks the components. */
  public GradientOptions {
    Objects.requireNonNull(input, "input");
    Objects.requireNonNull(parameters, "parameters");
  }

  /** Both are added to, as in a step of gradient accumulation. */
  public static final GradientOptions ACCUMULATE =
      new GradientOptions(Update.ACCUMULATE, Update.ACCUMULATE);

  /** Both are replaced. */
  public static final GradientOptions OVERWRITE =
      new GradientOptions(Update.OVERWRITE, Update.OVERWRITE);
}
