package dev.borealis.jmh.compare;

import dev.borealis.adapter.Parameter;
import java.util.Map;

/**
 * Results of a call, dense and row-major.
 *
 * @param activations Y after forward and after a training step, dX after backward, ΔW after a merge
 * @param gradients of all parameters after backward, what was added to them after a training step,
 *     else empty
 */
@SuppressWarnings("ArrayRecordComponent") // copies that only their reader holds
public record Outputs(float[] activations, Map<Parameter, float[]> gradients) {
  /**
   * Compares.
   *
   * @param reference what is right
   * @param tolerance allowed, as a part of the largest magnitude of each tensor
   * @return what is wrong; empty if nothing is
   */
  String differences(Outputs reference, double tolerance) {
    StringBuilder wrong = new StringBuilder();
    compare(wrong, "activations", activations, reference.activations, tolerance);
    reference.gradients.forEach((parameter, expected) ->
        compare(
            wrong,
            parameter.tensorName(),
            gradients.getOrDefault(parameter, new float[0]),
            expected,
            tolerance));
    return wrong.toString();
  }

  private static void compare(
      StringBuilder wrong, String name, float[] came, float[] expected, double tolerance) {
    if (came.length != expected.length) {
      wrong.append(name).append(" has ").append(came.length).append(" elements; ");
      return;
    }
    double largest = 0;
    double error = 0;
    for (int i = 0; i < came.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      double off = Math.abs(came[i] - (double) expected[i]);
      error = off <= error ? error : off; // NaN counts as an error
    }
    if (!(error <= tolerance * largest) || largest == 0) {
      wrong.append(name).append(" is off by ").append(error / largest).append("; ");
    }
  }
}
