package dev.borealis.jmh.cpu;

import java.util.Locale;

/**
 * A line of the table.
 *
 * @param regime which goal it belongs to
 * @param what method, call and shape
 * @param threads of the call
 * @param value measured: an efficiency or a ratio
 * @param goal the bound
 * @param atLeast whether the value must be at least the goal, or else at most
 * @param nanos of the call, 0 if the value is no time
 * @param detail where the value comes from
 */
record Row(
    String regime,
    String what,
    int threads,
    double value,
    double goal,
    boolean atLeast,
    double nanos,
    String detail) {
  private static final String SEPARATOR = "\t";
  private static final String MARK = "ROW";

  boolean met() {
    return atLeast ? value >= goal : value <= goal;
  }

  /** {@return the row for the process that collects} */
  String encode() {
    return String.join(
        SEPARATOR,
        MARK,
        regime,
        what,
        Integer.toString(threads),
        Double.toString(value),
        Double.toString(goal),
        Boolean.toString(atLeast),
        Double.toString(nanos),
        detail);
  }

  static boolean isEncoded(String line) {
    return line.startsWith(MARK + SEPARATOR);
  }

  static Row decode(String line) {
    String[] f = line.split(SEPARATOR, -1);
    return new Row(
        f[1],
        f[2],
        Integer.parseInt(f[3]),
        Double.parseDouble(f[4]),
        Double.parseDouble(f[5]),
        Boolean.parseBoolean(f[6]),
        Double.parseDouble(f[7]),
        f[8]);
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%-30s %-30s %2d  %8.3f  %s %5.2f  %-7s  %s",
        regime,
        what,
        threads,
        value,
        atLeast ? ">=" : "<=",
        goal,
        met() ? "met" : "not met",
        detail);
  }
}
