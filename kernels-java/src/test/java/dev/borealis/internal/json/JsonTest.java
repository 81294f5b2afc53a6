package dev.borealis.internal.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class JsonTest {
  @Test
  void writesWhatItShould() {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    map.put("z\"\\\n\u0001\u001f", new long[] {1, -2});
    map.put("a", List.of(true, 1, 2L, 0.5, 1e-5f, "é😀"));
    map.put("n", null);
    assertEquals(
        "{\"z\\\"\\\\\\n\\u0001\\u001f\":[1,-2],\"a\":[true,1,2,0.5,1.0E-5,\"é😀\"],\"n\":null}",
        Json.write(map));
  }

  @Test
  void indentsByTwoSpacesALevel() {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    map.put("a", List.of(1, List.of(), Map.of()));
    map.put("b", null);
    assertEquals(
        "{\n  \"a\": [\n    1,\n    [],\n    {}\n  ],\n  \"b\": null\n}", Json.writeIndented(map));
    assertEquals("{}", Json.writeIndented(Map.of()));
  }

  @Test
  void refusesWhatJsonCannotSay() {
    for (Object bad :
        List.of(
            Double.NaN,
            Float.POSITIVE_INFINITY,
            new Object(),
            Map.of(1, 2),
            "\ud800",
            "\udc00\ud800",
            List.of("x\ud800x"))) {
      assertThrows(IllegalArgumentException.class, () -> Json.write(bad));
    }
    List<Object> loop = new ArrayList<>();
    loop.add(loop);
    assertThrows(IllegalArgumentException.class, () -> Json.write(loop));
  }

  @Test
  void longStringsAreCutBetweenCharacters() {
    assertEquals('"' + "a".repeat(80) + "…\"", Json.quoteStart("a".repeat(81)));
    assertEquals('"' + "a".repeat(79) + "…\"", Json.quoteStart("a".repeat(79) + "😀b"));
  }

  @Test
  void whatIsWrittenReadsBack() throws JsonException {
    SplittableRandom random = new SplittableRandom(7);
    for (int i = 0; i < 2000; i++) {
      Object value = randomValue(random, 0);
      String text = Json.write(value);
      assertEquals(value, JsonReader.read(text.getBytes(StandardCharsets.UTF_8)), text);
    }
  }

  private static @Nullable Object randomValue(SplittableRandom random, int depth) {
    return switch (random.nextInt(depth < 5 ? 8 : 6)) {
      case 0 -> null;
      case 1 -> random.nextBoolean();
      case 2 -> random.nextLong();
      case 3 -> finite(random);
      case 4, 5 -> randomString(random);
      case 6 -> {
        List<@Nullable Object> list = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
          list.add(randomValue(random, depth + 1));
        }
        yield list;
      }
      default -> {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
          map.put(randomString(random), randomValue(random, depth + 1));
        }
        yield map;
      }
    };
  }

  private static double finite(SplittableRandom random) {
    double value = Double.longBitsToDouble(random.nextLong());
    return Double.isFinite(value) ? value : 0.25;
  }

  private static String randomString(SplittableRandom random) {
    StringBuilder out = new StringBuilder();
    for (int i = random.nextInt(12); i > 0; i--) {
      int code = random.nextInt(1 << (1 + random.nextInt(20)));
      boolean surrogate = code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE;
      out.appendCodePoint(surrogate ? 'x' : code);
    }
    return out.toString();
  }
}
