package dev.borealis.examples.conformance;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * How one case went.
 *
 * @param name of the case
 * @param checks one for each expected result
 */
public record CaseReport(String name, List<Check> checks) {
  /**
   * One result beside its expectation.
   *
   * @param result name, such as {@code y} or {@code grad.lora_A.weight}
   * @param error largest absolute error over the largest absolute expectation; infinite where a
   *     result is missing, of another size, or not the NaN or infinity that was expected
   * @param tolerance largest error that passes
   */
  public record Check(String result, double error, double tolerance) {
    /**
     * Tells whether the error is within the tolerance.
     *
     * @return whether it is within its limit
     */
    public boolean passed() {
      return error <= tolerance;
    }

    /**
     * Compares a result with its expectation.
     *
     * @param result name
     * @param expected in double
     * @param actual of the same length
     * @param tolerance largest error that passes
     * @return the result
     */
    public static Check of(String result, double[] expected, double[] actual, double tolerance) {
      double largest = 0;
      double error = 0;
      for (int i = 0; i < expected.length && expected.length == actual.length; i++) {
        boolean same = Double.compare(expected[i], actual[i]) == 0;
        double difference = same ? 0 : Math.abs(expected[i] - actual[i]);
        error = Math.max(error, Double.isNaN(difference) ? Double.POSITIVE_INFINITY : difference);
        largest = Math.max(largest, Double.isFinite(expected[i]) ? Math.abs(expected[i]) : 0);
      }
      if (expected.length != actual.length) {
        error = Double.POSITIVE_INFINITY;
      }
      // Where everything expected is 0, everything has to be.
      return new Check(result, error == 0 ? 0 : error / largest, tolerance);
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT, "%s %.1e%s", result, error, passed() ? "" : " > " + tolerance);
    }
  }

  /** Copies the list. */
  public CaseReport {
    checks = List.copyOf(checks);
  }

  /**
   * Tells whether every check passed, and there was one.
   *
   * @return whether it is within its limit
   */
  public boolean passed() {
    return !checks.isEmpty() && checks.stream().allMatch(Check::passed);
  }

  /** {@return one line} */
  @Override
  public String toString() {
    return (passed() ? "ok    " : "FAILED ")
        + name
        + ": "
        + checks.stream().map(Check::toString).collect(Collectors.joining(", "));
  }
}
