package dev.borealis.io;

import dev.borealis.internal.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * rank_pattern or alpha_pattern: values for modules whose path matches a key, by PEFT's rule. A key
 * is a regular expression; it matches where {@code (.*\.)?(key)$} matches from the path's start
 * (the path without {@code base_model.model.}); the first key that does, in the file's order, wins.
 *
 * <p>Keys are Python's regular expressions. Those that Java might read differently are refused, and
 * so is a key whose matching takes too long: it comes from a file.
 *
 * @param <T> type of the values
 */
final class PeftPattern<T> {
  /** Longest key and longest path: bounds the matcher's recursion. */
  static final int MAX_LENGTH = 500;

  private static final long MAX_STEPS_A_MATCH = 1_000_000;
  private static final long MAX_STEPS = 1_000_000_000;
  private static final String ESCAPABLE_LETTERS = "dDwWsSbB";

  private record Rule<T>(Pattern pattern, T value) {}

  private final String source;
  private final String name;
  private final List<Rule<T>> rules = new ArrayList<>();
  private long steps;

  /**
   * Compiles the keys.
   *
   * @param source the file's name, for messages
   * @param name the name of the table
   * @param values values by key, in the file's order
   * @throws PeftException if a key isn't a regular expression that Python and Java read alike
   */
  PeftPattern(String source, String name, Map<String, T> values) throws PeftException {
    this.source = source;
    this.name = name;
    for (Map.Entry<String, T> entry : values.entrySet()) {
      rules.add(new Rule<>(compile(entry.getKey()), entry.getValue()));
    }
  }

  /**
   * {@return the value for a module}
   *
   * @param path the module's path
   * @param otherwise the value if no key matches
   */
  T get(String path, T otherwise) throws PeftException {
    if (!rules.isEmpty() && path.length() > MAX_LENGTH) {
      throw refuse(
          path, "expected module paths of at most " + MAX_LENGTH + " characters beside it");
    }
    for (Rule<T> rule : rules) {
      Matcher matcher = rule.pattern.matcher(new Counted(path));
      try {
        if (matcher.lookingAt()) {
          return rule.value;
        }
      } catch (TooManySteps e) {
        throw refuse(rule.pattern.pattern(), "expected keys that are matched in reasonable time");
      }
    }
    return otherwise;
  }

  /** {@return a key that matches exactly one path} */
  static String keyFor(String path) {
    StringBuilder key = new StringBuilder("^");
    for (int i = 0; i < path.length(); i++) {
      char c = path.charAt(i);
      boolean word = c == '_' || c >= 0x80 || Character.isLetterOrDigit(c);
      key.append(word ? "" : "\\").append(c);
    }
    return key.toString();
  }

  private Pattern compile(String key) throws PeftException {
    if (key.length() > 2 * MAX_LENGTH + 1) {
      throw refuse(key, "expected keys of at most " + (2 * MAX_LENGTH + 1) + " characters");
    }
    if (!readsAlikeInPython(key)) {
      throw refuse(key, "expected a regular expression that every dialect reads alike");
    }
    try {
      // Python's dialect: only \n ends a line, and \w, \d, \s know all of Unicode.
      return Pattern.compile(
          "(.*\\.)?(" + key + ")$", Pattern.UNIX_LINES | Pattern.UNICODE_CHARACTER_CLASS);
    } catch (PatternSyntaxException e) {
      throw refuse(key, "expected a regular expression (" + e.getDescription() + ")");
    }
  }

  /** Knows no fancy syntax: escaped letters but the usual classes, flags, sets within sets. */
  private static boolean readsAlikeInPython(String key) {
    boolean inSet = false;
    for (int i = 0; i < key.length(); i++) {
      char c = key.charAt(i);
      char next = i + 1 < key.length() ? key.charAt(i + 1) : 0;
      if (c == '\\') {
        boolean letter = Character.isLetterOrDigit(next);
        if (next == 0 || next >= 0x80 || (letter && ESCAPABLE_LETTERS.indexOf(next) < 0)) {
          return false;
        }
        i++;
      } else if (inSet) {
        if (c == '[' || (c == '&' && next == '&')) {
          return false;
        }
        inSet = c != ']';
      } else if (c == '[') {
        inSet = true;
        i += next == '^' ? 1 : 0;
        if (i + 1 < key.length() && key.charAt(i + 1) == ']') {
          return false;
        }
      } else if (c == '(' && next == '?') {
        if (i + 2 >= key.length() || ":=!".indexOf(key.charAt(i + 2)) < 0) {
          return false;
        }
      }
    }
    return !inSet;
  }

  private PeftException refuse(String key, String expected) {
    return new PeftException(
        source + ": " + Json.quoteStart(name) + ": " + expected + ", came " + quote(key), null);
  }

  private static String quote(String key) {
    return Json.quoteStart(key);
  }

  private static final class TooManySteps extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TooManySteps() {
      super(null, null, false, false);
    }
  }

  /** A path that counts how often the matcher looks at it. */
  private final class Counted implements CharSequence {
    private final String path;
    private final long limit = Math.min(steps + MAX_STEPS_A_MATCH, MAX_STEPS);

    Counted(String path) {
      this.path = path;
    }

    @Override
    public int length() {
      return path.length();
    }

    @Override
    public char charAt(int index) {
      if (++steps > limit) {
        throw new TooManySteps();
      }
      return path.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return path.subSequence(start, end);
    }

    @Override
    public String toString() {
      return path;
    }
  }
}
