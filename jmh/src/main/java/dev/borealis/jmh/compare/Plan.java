package dev.borealis.jmh.compare;

import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * What a run does.
 *
 * @param choice which cases
 * @param seconds for all that is measured; 0 for as long as it takes
 * @param only the cases whose names this finds, for development
 * @param shapes folder of the shapes files
 * @param docs folder of the report
 * @param options what was given on the command line
 */
public record Plan(
    Choice choice, double seconds, Pattern only, Path shapes, Path docs, List<String> options) {
  /** Takes the place of options on the command line, each {@code name=value}. */
  public static final String OPTIONS = "seconds=NUMBER, cases=REGULAR_EXPRESSION, docs=FOLDER";

  /**
   * Reads options.
   *
   * @param choice which cases
   * @param shapes folder of the shapes files
   * @param docs folder of the report unless an option gives another
   * @param options each as in {@link #OPTIONS}
   * @return the plan
   * @throws IllegalArgumentException if one is unknown or has no such value
   */
  public static Plan of(Choice choice, Path shapes, Path docs, List<String> options) {
    double seconds = choice.seconds();
    Pattern only = Pattern.compile("");
    Path folder = docs;
    for (String option : options) {
      String value = option.substring(option.indexOf('=') + 1);
      switch (option.substring(0, Math.max(0, option.indexOf('=')))) {
        case "seconds" -> seconds = Double.parseDouble(value);
        case "cases" -> only = Pattern.compile(value);
        case "docs" -> folder = Path.of(value);
        default -> throw new IllegalArgumentException("expected " + OPTIONS + "; came " + option);
      }
    }
    return new Plan(choice, seconds, only, shapes, folder, List.copyOf(options));
  }

  /**
   * {@return the cases, those with one thread first}
   *
   * @param layers of the shapes files
   */
  List<Case> cases(List<Layer> layers) {
    return choice.cases(layers).stream().filter(c -> only.matcher(c.id()).find()).toList();
  }
}
