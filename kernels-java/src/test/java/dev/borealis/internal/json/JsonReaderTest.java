package dev.borealis.internal.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonReaderTest {
  private static @Nullable Object read(String text) throws JsonException {
    return JsonReader.read(text.getBytes(StandardCharsets.UTF_8));
  }

  private static Object readNonNull(String text) throws JsonException {
    return Objects.requireNonNull(read(text));
  }

  private static JsonReader reader(String text) {
    return new JsonReader(MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void readsEveryKindOfValue() throws JsonException {
    Map<String, @Nullable Object> expected = new LinkedHashMap<>();
    expected.put("o", Map.of());
    expected.put("a", Arrays.asList(1L, -2L, 0.5, true, false, null, "x"));
    expected.put("deep", List.of(List.of(List.of(Map.of("y", List.of())))));
    Object value =
        readNonNull(
            " \t\r\n{ \"o\" : { } ,\"a\":[1,-2,0.5,true,false,null,\"x\"],"
                + "\"deep\":[[[{\"y\":[]}]]]} \n");
    assertEquals(expected, value);
    assertEquals(List.copyOf(expected.keySet()), List.copyOf(((Map<?, ?>) value).keySet()));
  }

  @Test
  void readsScalarsAtTheTop() throws JsonException {
    assertEquals("", read("\"\""));
    assertEquals(true, read("true"));
    assertNull(read(" null "));
    assertEquals(0L, read("0"));
  }

  @Test
  void readsEveryEscape() throws JsonException {
    assertEquals(
        "\"\\/\b\f\n\r\t\u0000Aé😀",
        read("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u0041\\u00E9\\uD83D\\ude00\""));
  }

  @Test
  void readsUtf8OfEveryLength() throws JsonException {
    String text = "a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\ud800\udc00\udbff\udfff";
    assertEquals(text, read('"' + text + '"'));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "9223372036854775807, 9223372036854775807",
    "-9223372036854775808, -9223372036854775808"
  })
  void readsIntegers(String text, long expected) throws JsonException {
    assertEquals(expected, reader(text).longValue());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"-0", "1.0", "1e2", "9223372036854775808", "-9223372036854775809", "1E-5", "0.5"})
  void refusesWhatIsNoInteger(String text) {
    assertThrows(JsonException.class, () -> reader(text).longValue());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "-0",
        "-0.0",
        "1.5",
        "-1.5e3",
        "1E-5",
        "1e+2",
        "4.9E-324",
        "1.7976931348623157E308",
        "1e-400",
        "123456789012345678901234567890.0"
      })
  void readsDoubles(String text) throws JsonException {
    long expected = Double.doubleToRawLongBits(Double.parseDouble(text));
    assertEquals(expected, Double.doubleToRawLongBits(reader(text).doubleValue()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "nul",
        "nulll",
        "tru",
        "truex",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e1",
        "1e",
        "1e+",
        "0x10",
        "1_0",
        "1e999",
        "-1e999",
        "9223372036854775808",
        "1 2",
        "{} {}",
        "[] x",
        "null,",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1;2]",
        "]",
        "[}",
        "{",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{1:1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}",
        "[{\"b\":0,\"c\":{\"b\":0},\"b\":0}]",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\uD800\"",
        "\"\\uD800x\"",
        "\"\\uD800\\n\"",
        "\"\\uD800\\uD800\"",
        "\"\\uDC00\"",
        "\"\n\"",
        "\"\t\"",
        "\"\u0000\"",
        "'a'",
        "// c\n1",
        "/* c */1",
        "\u00a01",
        "\ufeff1",
        "\f1",
        "[1]\u0000"
      })
  void refusesWhatIsNoJson(String text) {
    JsonException e = assertThrows(JsonException.class, () -> read(text));
    assertTrue(
        String.valueOf(e.getMessage()).matches("(?s)byte \\d+: expected .+, came .+"),
        e::getMessage);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "80",
        "bf",
        "c0af",
        "c080",
        "c1bf",
        "c2",
        "c241",
        "c2c2",
        "e08080",
        "e09fbf",
        "e282",
        "e28241",
        "eda080",
        "edbfbf",
        "edaf80edb080",
        "f0808080",
        "f08fbfbf",
        "f09f98",
        "f09f9841",
        "f4908080",
        "f5808080",
        "f8888080",
        "fe",
        "ff"
      })
  void refusesMalformedUtf8(String hex) {
    byte[] text = HexFormat.of().parseHex("22" + hex + "22");
    JsonException e = assertThrows(JsonException.class, () -> JsonReader.read(text));
    assertTrue(
        String.valueOf(e.getMessage()).contains("expected well-formed UTF-8"), e::getMessage);
    byte[] cut = HexFormat.of().parseHex("22" + hex);
    assertThrows(JsonException.class, () -> JsonReader.read(cut));
  }

  @Test
  void equalNamesInDifferentObjectsAreFine() throws JsonException {
    assertEquals(
        List.of(Map.of("a", Map.of("a", 1L)), Map.of("a", 2L)),
        read("[{\"a\":{\"a\":1}},{\"a\":2}]"));
  }

  @Test
  void nestsToTheLimitAndNoDeeper() throws JsonException {
    int limit = JsonReader.MAX_DEPTH;
    Object value = readNonNull("[".repeat(limit) + "]".repeat(limit));
    for (int i = 1; i < limit; i++) {
      value = Objects.requireNonNull(((List<?>) value).getFirst());
    }
    assertEquals(List.of(), value);
    JsonException e =
        assertThrows(
            JsonException.class, () -> read("[".repeat(limit + 1) + "]".repeat(limit + 1)));
    assertTrue(String.valueOf(e.getMessage()).contains("nesting of at most 64"), e::getMessage);
    assertThrows(JsonException.class, () -> read("{\"a\":".repeat(1_000_000)));
  }

  @Test
  void refusesNumbersOfAbsurdLength() throws JsonException {
    assertEquals(1.0 / 3, read("0." + "3".repeat(1022)));
    assertThrows(JsonException.class, () -> read("0." + "3".repeat(1023)));
    assertThrows(JsonException.class, () -> read("1".repeat(1_000_000)));
  }

  @Test
  void streamsAndSaysHowFarItIs() throws JsonException {
    JsonReader reader = reader("{\"a\":[1,2],\"b\":null}  ");
    reader.beginObject();
    assertEquals("a", reader.nextName());
    reader.beginArray();
    assertTrue(reader.nextElement());
    assertEquals(1, reader.longValue());
    assertTrue(reader.nextElement());
    assertEquals(2.0, reader.doubleValue());
    assertFalse(reader.nextElement());
    assertEquals("b", reader.nextName());
    reader.nullValue();
    assertNull(reader.nextName());
    assertEquals(20, reader.position());
    reader.end();
  }

  @Test
  void wrongKindNamesBoth() {
    JsonException e = assertThrows(JsonException.class, () -> reader("[1]").beginObject());
    assertEquals("byte 0: expected an object, came '['", e.getMessage());
  }
}
