package dev.borealis.internal.json;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads JSON (RFC 8259) value by value, straight from memory, and trusts nothing: UTF-8 must be
 * well-formed, names in an object unique, surrogates paired, numbers finite and in range, nesting
 * at most {@link #MAX_DEPTH} deep. Time and memory are linear in the bytes read.
 *
 * <pre>{@code
 * reader.beginObject();
 * for (String name = reader.nextName(); name != null; name = reader.nextName()) {
 *   ... reader.string(), reader.longValue(), ...
 * }
 * reader.end();
 * }</pre>
 *
 * <p>Not safe for use by several threads.
 */
public final class JsonReader {
  /** How deep objects and arrays may nest. */
  public static final int MAX_DEPTH = 64;

  /** A number of more characters than this is refused: its value would fit in far fewer. */
  private static final int MAX_NUMBER_LENGTH = 1024;

  private static final int END = -1;

  /** An open object, with the names seen so far, or an open array. */
  private static final class Container {
    final @Nullable Set<String> names;
    boolean empty = true;

    Container(@Nullable Set<String> names) {
      this.names = names;
    }
  }

  private final MemorySegment text;
  private final long length;
  private final Deque<Container> open = new ArrayDeque<>();
  private final StringBuilder buffer = new StringBuilder();
  private long position;

  /**
   * Creates a reader of one JSON text.
   *
   * @param text the text in UTF-8, without a byte order mark
   */
  public JsonReader(MemorySegment text) {
    this.text = text;
    this.length = text.byteSize();
  }

  /**
   * Reads a whole text: one value with nothing but white space around it.
   *
   * @param text the text in UTF-8
   * @return as {@link #value()}
   * @throws JsonException if the text is not strict JSON
   */
  public static @Nullable Object read(byte[] text) throws JsonException {
    JsonReader reader = new JsonReader(MemorySegment.ofArray(text));
    Object value = reader.value();
    reader.end();
    return value;
  }

  /** {@return how many bytes have been read} */
  public long position() {
    return position;
  }

  /**
   * Enters an object; {@link #nextName()} follows.
   *
   * @throws JsonException if something else comes
   */
  public void beginObject() throws JsonException {
    open('{', "an object", new HashSet<>(4));
  }

  /**
   * Enters an array; {@link #nextElement()} follows.
   *
   * @throws JsonException if something else comes
   */
  public void beginArray() throws JsonException {
    open('[', "an array", null);
  }

  /**
   * Reads the next name in the innermost object, or leaves the object if it has no more.
   *
   * @return the name, whose value is to be read next; null at the end of the object
   * @throws JsonException if the text is malformed or the name came before in this object
   */
  public @Nullable String nextName() throws JsonException {
    Container object = open.element();
    Set<String> names = object.names;
    if (names == null) {
      throw new IllegalStateException("nextName() within an array");
    }
    if (!nextMember(object, '}')) {
      return null;
    }
    skipWhitespace();
    long at = position;
    String name = string();
    if (!names.add(name)) {
      throw new JsonException(
          "byte " + at + ": expected unique names, came " + Json.quoteStart(name) + " twice");
    }
    expect(':', "':'");
    return name;
  }

  /**
   * Goes to the next element of the innermost array, or leaves the array if it has no more.
   *
   * @return whether an element is to be read next
   * @throws JsonException if the text is malformed
   */
  public boolean nextElement() throws JsonException {
    Container array = open.element();
    if (array.names != null) {
      throw new IllegalStateException("nextElement() within an object");
    }
    return nextMember(array, ']');
  }

  /**
   * Reads a string.
   *
   * @throws JsonException if something else comes, or the string is malformed
   */
  public String string() throws JsonException {
    expect('"', "a string");
    buffer.setLength(0);
    while (true) {
      int c = next("the end of the string");
      if (c == '"') {
        return buffer.toString();
      } else if (c == '\\') {
        buffer.appendCodePoint(escape());
      } else if (c < 0x20) {
        position--;
        throw unexpected("no control characters in a string");
      } else {
        buffer.appendCodePoint(c < 0x80 ? c : multiByte(c));
      }
    }
  }

  /**
   * Reads an integer: neither fraction nor exponent, not {@code -0}.
   *
   * @throws JsonException if something else comes, or the value is out of range of a long
   */
  public long longValue() throws JsonException {
    skipWhitespace();
    long at = position;
    return parseLong(number("an integer"), at);
  }

  /**
   * Reads a number as a double, rounded to nearest.
   *
   * @throws JsonException if something else comes, or the value is out of range of a double
   */
  public double doubleValue() throws JsonException {
    skipWhitespace();
    long at = position;
    return parseDouble(number("a number"), at);
  }

  /**
   * Reads {@code true} or {@code false}.
   *
   * @throws JsonException if something else comes
   */
  public boolean booleanValue() throws JsonException {
    boolean value = peekToken() == 't';
    literal(value ? "true" : "false", "true or false");
    return value;
  }

  /**
   * Reads {@code null}.
   *
   * @throws JsonException if something else comes
   */
  public void nullValue() throws JsonException {
    literal("null", "null");
  }

  /**
   * Reads any value.
   *
   * @return a {@code Map<String, Object>} in the order of the text, a {@code List<Object>}, a
   *     String, a Long (integers), a Double (other numbers), a Boolean, or null
   * @throws JsonException if the text is malformed
   */
  public @Nullable Object value() throws JsonException {
    switch (peekToken()) {
      case '{' -> {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        beginObject();
        for (String name = nextName(); name != null; name = nextName()) {
          map.put(name, value());
        }
        return map;
      }
      case '[' -> {
        List<@Nullable Object> list = new ArrayList<>();
        beginArray();
        while (nextElement()) {
          list.add(value());
        }
        return list;
      }
      case '"' -> {
        return string();
      }
      case 't', 'f' -> {
        return booleanValue();
      }
      case 'n' -> {
        nullValue();
        return null;
      }
      default -> {
        long at = position;
        String number = number("a value");
        if (isInteger(number)) {
          return parseLong(number, at);
        }
        return parseDouble(number, at);
      }
    }
  }

  /**
   * Makes sure that nothing but white space is left.
   *
   * @throws JsonException if something is
   */
  public void end() throws JsonException {
    if (peekToken() != END) {
      throw unexpected("the end of the text");
    }
  }

  private void open(char bracket, String what, @Nullable Set<String> names) throws JsonException {
    expect(bracket, what);
    if (open.size() == MAX_DEPTH) {
      throw new JsonException(
          "byte " + (position - 1) + ": expected nesting of at most " + MAX_DEPTH + ", came more");
    }
    open.push(new Container(names));
  }

  /** Consumes the comma before the next member, or the closing bracket. */
  private boolean nextMember(Container container, char closing) throws JsonException {
    if (peekToken() == closing) {
      position++;
      open.pop();
      return false;
    }
    if (container.empty) {
      container.empty = false;
    } else {
      expect(',', "',' or '" + closing + "'");
    }
    return true;
  }

  private int peek() {
    return position == length ? END : text.get(ValueLayout.JAVA_BYTE, position) & 0xff;
  }

  private int peekToken() {
    skipWhitespace();
    return peek();
  }

  private void skipWhitespace() {
    while (true) {
      int c = peek();
      if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
        return;
      }
      position++;
    }
  }

  private int next(String expected) throws JsonException {
    int c = peek();
    if (c == END) {
      throw unexpected(expected);
    }
    position++;
    return c;
  }

  private void expect(char c, String expected) throws JsonException {
    if (peekToken() != c) {
      throw unexpected(expected);
    }
    position++;
  }

  private void literal(String word, String expected) throws JsonException {
    skipWhitespace();
    for (int i = 0; i < word.length(); i++) {
      if (peek() != word.charAt(i)) {
        throw unexpected(expected);
      }
      position++;
    }
  }

  private int escape() throws JsonException {
    int c = next("an escape");
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> unicodeEscape();
      default -> {
        position--;
        throw unexpected("one of \"\\/bfnrtu after a backslash");
      }
    };
  }

  private int unicodeEscape() throws JsonException {
    char high = hexDigits();
    if (!Character.isSurrogate(high)) {
      return high;
    }
    if (Character.isHighSurrogate(high) && peek() == '\\') {
      position++;
      if (next("an escape") == 'u') {
        char low = hexDigits();
        if (Character.isLowSurrogate(low)) {
          return Character.toCodePoint(high, low);
        }
      }
    }
    throw unexpected("surrogates in pairs before this");
  }

  private char hexDigits() throws JsonException {
    int value = 0;
    for (int i = 0; i < 4; i++) {
      // Only ASCII gets here as one byte, so no other script's digits can pass.
      int c = peek();
      int digit = c < 0x80 ? Character.digit(c, 16) : -1;
      if (digit < 0) {
        throw unexpected("four hexadecimal digits");
      }
      value = (value << 4) | digit;
      position++;
    }
    return (char) value;
  }

  /** Decodes a character of two to four bytes: the shortest form only, and no surrogates. */
  private int multiByte(int lead) throws JsonException {
    long start = position - 1;
    int more;
    int least;
    if ((lead & 0xe0) == 0xc0) {
      more = 1;
      least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      more = 2;
      least = 0x800;
    } else {
      more = (lead & 0xf8) == 0xf0 ? 3 : 0;
      least = 0x10000;
    }
    int code = lead & (0x3f >> more);
    for (int i = 0; i < more && (peek() & 0xc0) == 0x80 && peek() != END; i++) {
      code = (code << 6) | (peek() & 0x3f);
      position++;
    }
    boolean whole = more > 0 && position == start + 1 + more;
    if (!whole || code < least || code > Character.MAX_CODE_POINT || isSurrogate(code)) {
      position = start;
      throw unexpected("well-formed UTF-8");
    }
    return code;
  }

  private static boolean isSurrogate(int code) {
    return code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE;
  }

  private String number(String expected) throws JsonException {
    skipWhitespace();
    long start = position;
    if (peek() == '-') {
      position++;
    }
    if (peek() == '0') {
      position++;
    } else {
      digits(expected);
    }
    if (peek() == '.') {
      position++;
      digits("a digit");
    }
    if (peek() == 'e' || peek() == 'E') {
      position++;
      if (peek() == '+' || peek() == '-') {
        position++;
      }
      digits("a digit");
    }
    long characters = position - start;
    if (characters > MAX_NUMBER_LENGTH) {
      throw new JsonException(
          "byte "
              + start
              + ": expected numbers of at most "
              + MAX_NUMBER_LENGTH
              + " characters, came "
              + characters);
    }
    byte[] ascii = new byte[(int) characters];
    MemorySegment.copy(text, ValueLayout.JAVA_BYTE, start, ascii, 0, ascii.length);
    return new String(ascii, StandardCharsets.US_ASCII);
  }

  private void digits(String expected) throws JsonException {
    if (!isDigit(peek())) {
      throw unexpected(expected);
    }
    while (isDigit(peek())) {
      position++;
    }
  }

  private static boolean isDigit(int c) {
    return c >= '0' && c <= '9';
  }

  private static boolean isInteger(String number) {
    return !number.equals("-0")
        && number.indexOf('.') < 0
        && number.indexOf('e') < 0
        && number.indexOf('E') < 0;
  }

  private static long parseLong(String number, long at) throws JsonException {
    if (isInteger(number)) {
      try {
        return Long.parseLong(number);
      } catch (NumberFormatException e) {
        // The grammar has been checked: the only way here is a value out of range.
      }
    }
    throw new JsonException(
        "byte " + at + ": expected an integer of 64 bits, came " + Json.shorten(number));
  }

  private static double parseDouble(String number, long at) throws JsonException {
    double value = Double.parseDouble(number);
    if (Double.isInfinite(value)) {
      throw new JsonException(
          "byte " + at + ": expected a finite double, came " + Json.shorten(number));
    }
    return value;
  }

  private JsonException unexpected(String expected) {
    int c = peek();
    String came;
    if (c == END) {
      came = "the end of the text";
    } else if (c > 0x20 && c < 0x7f) {
      came = "'" + (char) c + "'";
    } else {
      came = "byte 0x" + Integer.toHexString(c);
    }
    return new JsonException("byte " + position + ": expected " + expected + ", came " + came);
  }
}
