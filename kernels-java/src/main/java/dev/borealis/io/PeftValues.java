package dev.borealis.io;

import dev.borealis.internal.json.Json;
import dev.borealis.internal.json.JsonException;
import dev.borealis.internal.json.JsonReader;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The JSON object of an adapter_config.json. A key whose value is null counts as absent. */
final class PeftValues {
  private final String source;
  private final Map<String, @Nullable Object> values = new LinkedHashMap<>();

  /**
   * Parses the file's bytes.
   *
   * @param source the file's name, for messages
   * @throws PeftException if they are not strict JSON, or not an object
   */
  PeftValues(byte[] json, String source) throws PeftException {
    this.source = source;
    Object value;
    try {
      value = JsonReader.read(json);
    } catch (JsonException e) {
      throw new PeftException(source + ": " + e.getMessage(), e);
    }
    if (!(value instanceof Map<?, ?> map)) {
      throw new PeftException(source + ": expected a JSON object, came " + describe(value), null);
    }
    map.forEach((key, element) -> values.put((String) key, element));
  }

  Set<String> keys() {
    return values.keySet();
  }

  /** Tells whether a value is what switches an option off: null, false or empty. */
  boolean isOff(String key) {
    return switch (values.get(key)) {
      case null -> true;
      case Boolean bool -> !bool;
      case Collection<?> list -> list.isEmpty();
      case Map<?, ?> map -> map.isEmpty();
      default -> false;
    };
  }

  @Nullable Object get(String key) {
    return values.get(key);
  }

  boolean bool(String key, boolean otherwise) throws PeftException {
    Object value = values.get(key);
    if (value == null) {
      return otherwise;
    }
    if (value instanceof Boolean bool) {
      return bool;
    }
    throw refuse(key, "expected true or false");
  }

  int integer(String key, int otherwise) throws PeftException {
    Object value = values.get(key);
    return value == null ? otherwise : integer(key, value);
  }

  double number(String key, double otherwise) throws PeftException {
    Object value = values.get(key);
    return value == null ? otherwise : number(key, value);
  }

  String text(String key, String otherwise) throws PeftException {
    Object value = values.get(key);
    if (value == null) {
      return otherwise;
    }
    if (value instanceof String text) {
      return text;
    }
    throw refuse(key, "expected a string");
  }

  /** {@return the choice that the value names} */
  <T> T choice(String key, T otherwise, Map<String, T> choices) throws PeftException {
    Object value = values.get(key);
    if (value == null) {
      return otherwise;
    }
    T choice = value instanceof String text ? choices.get(text) : null;
    if (choice == null) {
      throw refuse(key, "expected one of " + choices.keySet());
    }
    return choice;
  }

  Map<String, Integer> integers(String key) throws PeftException {
    Map<String, Integer> result = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : object(key).entrySet()) {
      result.put((String) entry.getKey(), integer(key, entry.getValue()));
    }
    return result;
  }

  Map<String, Double> numbers(String key) throws PeftException {
    Map<String, Double> result = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : object(key).entrySet()) {
      result.put((String) entry.getKey(), number(key, entry.getValue()));
    }
    return result;
  }

  /** Makes the exception for a key whose value is not what it should be. */
  PeftException refuse(String key, String expected) {
    return refuse(key, expected, values.get(key));
  }

  /** Makes the exception for what is wrong with several values together. */
  PeftException malformed(String message, Throwable cause) {
    return new PeftException(source + ": " + message, cause);
  }

  private PeftException refuse(String key, String expected, @Nullable Object came) {
    return new PeftException(
        source + ": " + Json.quoteStart(key) + ": " + expected + ", came " + describe(came), null);
  }

  private Map<?, ?> object(String key) throws PeftException {
    Object value = values.get(key);
    if (value == null) {
      return Map.of();
    }
    if (value instanceof Map<?, ?> map) {
      return map;
    }
    throw refuse(key, "expected an object");
  }

  private int integer(String key, @Nullable Object value) throws PeftException {
    if (value instanceof Long number && number == number.intValue()) {
      return number.intValue();
    }
    throw refuse(key, "expected an integer of 32 bits", value);
  }

  private double number(String key, @Nullable Object value) throws PeftException {
    return switch (value) {
      case Long number -> number;
      case Double number -> number;
      case null, default -> throw refuse(key, "expected a number", value);
    };
  }

  private static String describe(@Nullable Object value) {
    return switch (value) {
      case String text -> Json.quoteStart(text);
      case List<?> list -> "a list of " + list.size();
      case Map<?, ?> map -> "an object of " + map.size();
      case null, default -> String.valueOf(value);
    };
  }
}
