package dev.borealis.internal.json;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes JSON; the mirror of {@link JsonReader#value()}. */
public final class Json {
  private static final int SHORT = 80;

  private Json() {}

  /**
   * {@return a value as one line of JSON, names in the order in which their map gives them}
   *
   * @param value maps with String keys, iterables, {@code long[]}, Strings, Booleans, null, Long,
   *     Integer, Short, Byte, and finite Double or Float
   * @throws IllegalArgumentException if a value is of another type, not finite, nested deeper than
   *     {@link JsonReader#MAX_DEPTH}, or a string has an unpaired surrogate
   */
  public static String write(@Nullable Object value) {
    StringBuilder out = new StringBuilder();
    append(out, value, 0, false);
    return out.toString();
  }

  /**
   * {@return a value as JSON on several lines, indented by two spaces a level, without a line feed
   * at the end}
   *
   * @param value as for {@link #write}
   * @throws IllegalArgumentException as for {@link #write}
   */
  public static String writeIndented(@Nullable Object value) {
    StringBuilder out = new StringBuilder();
    append(out, value, 0, true);
    return out.toString();
  }

  /**
   * {@return a string in quotes, escaped as JSON wants it; other characters than the quote, the
   * backslash and controls stay as they are}
   *
   * @param string the string
   * @throws IllegalArgumentException if it has an unpaired surrogate, which UTF-8 can't express
   */
  public static String quote(String string) {
    StringBuilder out = new StringBuilder(string.length() + 2);
    appendString(out, string);
    return out.toString();
  }

  /**
   * {@return a string quoted for a message, cut if it is long}
   *
   * @param string any string without unpaired surrogates
   */
  public static String quoteStart(String string) {
    return quote(shorten(string));
  }

  /** {@return at most the first {@value #SHORT} characters, never half of a surrogate pair} */
  static String shorten(String string) {
    if (string.length() <= SHORT) {
      return string;
    }
    int end = Character.isHighSurrogate(string.charAt(SHORT - 1)) ? SHORT - 1 : SHORT;
    return string.substring(0, end) + "…";
  }

  private static void append(StringBuilder out, @Nullable Object value, int depth, boolean lines) {
    if (depth > JsonReader.MAX_DEPTH) {
      throw new IllegalArgumentException(
          "JSON: expected nesting of at most " + JsonReader.MAX_DEPTH + ", came more");
    }
    switch (value) {
      case null -> out.append("null");
      case String string -> appendString(out, string);
      case Map<?, ?> map -> appendObject(out, map, depth, lines);
      case Iterable<?> list -> appendArray(out, list, depth, lines);
      case long[] array -> appendArray(out, array);
      case Boolean bool -> out.append(bool);
      case Long integer -> out.append(integer);
      case Integer integer -> out.append(integer);
      case Short integer -> out.append(integer);
      case Byte integer -> out.append(integer);
      case Double number when Double.isFinite(number) -> out.append(number);
      case Float number when Float.isFinite(number) -> out.append(number);
      case Double number -> throw notFinite(number);
      case Float number -> throw notFinite(number);
      default ->
          throw new IllegalArgumentException(
              "JSON: expected a map, list, string, number, boolean or null, came a "
                  + value.getClass().getName());
    }
  }

  private static IllegalArgumentException notFinite(Number number) {
    return new IllegalArgumentException("JSON: expected finite numbers, came " + number);
  }

  private static void appendObject(StringBuilder out, Map<?, ?> map, int depth, boolean lines) {
    out.append('{');
    String separator = "";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      if (!(entry.getKey() instanceof String name)) {
        throw new IllegalArgumentException("JSON: expected String names, came " + entry.getKey());
      }
      out.append(separator);
      newLine(out, depth + 1, lines);
      appendString(out, name);
      out.append(lines ? ": " : ":");
      append(out, entry.getValue(), depth + 1, lines);
      separator = ",";
    }
    newLine(out, depth, lines && !map.isEmpty());
    out.append('}');
  }

  private static void appendArray(StringBuilder out, Iterable<?> list, int depth, boolean lines) {
    out.append('[');
    String separator = "";
    for (Object element : list) {
      out.append(separator);
      newLine(out, depth + 1, lines);
      append(out, element, depth + 1, lines);
      separator = ",";
    }
    newLine(out, depth, lines && !separator.isEmpty());
    out.append(']');
  }

  private static void newLine(StringBuilder out, int depth, boolean lines) {
    if (lines) {
      out.append('\n').repeat("  ", depth);
    }
  }

  private static void appendArray(StringBuilder out, long[] array) {
    out.append('[');
    for (int i = 0; i < array.length; i++) {
      out.append(i == 0 ? "" : ",").append(array[i]);
    }
    out.append(']');
  }

  private static void appendString(StringBuilder out, String string) {
    out.append('"');
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < 0x20) {
            out.append(c < 0x10 ? "\\u000" : "\\u00").append(Integer.toHexString(c));
          } else if (!Character.isSurrogate(c)) {
            out.append(c);
          } else {
            boolean pair =
                i + 1 < string.length() && Character.isSurrogatePair(c, string.charAt(i + 1));
            if (!pair) {
              throw new IllegalArgumentException(
                  "JSON: expected surrogates in pairs, came a single one at index " + i);
            }
            out.append(c).append(string.charAt(++i));
          }
        }
      }
    }
    out.append('"');
  }
}
