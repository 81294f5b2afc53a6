package dev.borealis.io;

import static dev.borealis.io.SafeTensorsFiles.file;
import static dev.borealis.io.SafeTensorsFiles.tensor;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Files made to hurt: a reader opens them, or refuses them, and does nothing else. */
class SafeTensorsHostileTest {
  private static final int MUTANTS = 40_000;

  /** What headers are made of, and numbers where arithmetic breaks. */
  private static final List<String> FRAGMENTS =
      List.of(
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "\"",
          "\\",
          "\\u",
          "\\ud800",
          " ",
          "\n",
          "null",
          "true",
          "-",
          "0",
          "1",
          "4",
          "8",
          "16",
          "e9",
          ".5",
          "-1",
          "4294967296",
          "2147483648",
          "9223372036854775807",
          "9223372036854775808",
          "18446744073709551615",
          "1e999",
          "F32",
          "BF16",
          "U8",
          "F4",
          "dtype",
          "shape",
          "data_offsets",
          "__metadata__",
          "\"a\":",
          "[0,0]",
          "[]",
          "{}",
          "é",
          "\u0000");

  private static List<byte[]> seeds() {
    return List.of(
        file("{}", 0),
        file("{" + tensor("a", "F32", "[2,2]", 0, 16) + "}  ", 16),
        file(
            "{\"__metadata__\":{\"format\":\"pt\",\"é\":\"\\ud83d\\ude00\"},"
                + tensor("b", "BF16", "[1,3]", 16, 22)
                + ","
                + tensor("a", "F32", "[2,2]", 0, 16)
                + ","
                + tensor("none", "F16", "[0,5]", 22, 22)
                + ","
                + tensor("s", "F64", "[]", 22, 30)
                + "}",
            30),
        file(
            "{"
                + tensor("p", "F4", "[4]", 0, 2)
                + ","
                + tensor("q", "U8", "[1,1,1,1]", 2, 3)
                + ","
                + tensor("r", "F16", "[1,1,2]", 3, 7)
                + "}",
            7));
  }

  @Test
  void mutatedFilesOpenConsistentlyOrAreRefused() {
    SplittableRandom random = new SplittableRandom(20_250_801);
    List<byte[]> seeds = seeds();
    int opened = 0;
    int refused = 0;
    for (int i = 0; i < MUTANTS; i++) {
      byte[] mutant = mutate(seeds.get(i % seeds.size()), random);
      try {
        checkConsistent(SafeTensors.of(MemorySegment.ofArray(mutant)), mutant);
        opened++;
      } catch (SafeTensorsException e) {
        String message = String.valueOf(e.getMessage());
        assertTrue(message.startsWith("safetensors in memory: "), message);
        refused++;
      }
    }
    System.out.println(
        "safetensors: " + MUTANTS + " mutants, " + opened + " opened, " + refused + " refused");
    assertEquals(MUTANTS, opened + refused);
    assertTrue(opened > MUTANTS / 100 && refused > MUTANTS / 2, opened + " of " + MUTANTS);
  }

  /**
   * Small enough for chance to hit every way in which tensors can lie: about one in four tiles the
   * data.
   */
  @Test
  void opensExactlyTheLayoutsThatTileTheData() {
    SplittableRandom random = new SplittableRandom(11);
    int cases = 20_000;
    int opened = 0;
    for (int i = 0; i < cases; i++) {
      int dataBytes = random.nextInt(6);
      int[][] extents = new int[random.nextInt(5)][];
      List<String> tensors = new ArrayList<>();
      for (int t = 0; t < extents.length; t++) {
        int begin = random.nextInt(dataBytes + 1);
        int end = random.nextInt(begin, dataBytes + 1);
        extents[t] = new int[] {begin, end};
        tensors.add(tensor("t" + t, "U8", "[" + (end - begin) + "]", begin, end));
      }
      String header = "{" + String.join(",", tensors) + "}";
      boolean opens;
      try {
        opens = SafeTensors.of(MemorySegment.ofArray(file(header, dataBytes))).names() != null;
        opened++;
      } catch (SafeTensorsException e) {
        opens = false;
      }
      assertEquals(tiles(extents, dataBytes), opens, header + " of " + dataBytes + " bytes");
    }
    System.out.println("safetensors: " + cases + " layouts, " + opened + " opened");
    assertTrue(opened > cases / 100, opened + " of " + cases);
  }

  /** Every byte has one owner, and nothing empty lies inside of another tensor. */
  private static boolean tiles(int[][] extents, int dataBytes) {
    int[] owners = new int[dataBytes];
    for (int[] extent : extents) {
      for (int i = extent[0]; i < extent[1]; i++) {
        owners[i]++;
      }
      boolean empty = extent[0] == extent[1];
      if (empty && Arrays.stream(extents).anyMatch(e -> e[0] < extent[0] && extent[0] < e[1])) {
        return false;
      }
    }
    return Arrays.stream(owners).allMatch(count -> count == 1);
  }

  /** A few edits anywhere in header or length; mostly the length is then made true again. */
  private static byte[] mutate(byte[] seed, SplittableRandom random) {
    int length = (int) ByteBuffer.wrap(seed).order(ByteOrder.LITTLE_ENDIAN).getLong();
    byte[] header = Arrays.copyOfRange(seed, 8, 8 + length);
    byte[] data = Arrays.copyOfRange(seed, 8 + length, seed.length);
    for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
      header = edit(header, random);
    }
    long claimed = header.length;
    if (random.nextInt(8) == 0) {
      data = edit(data, random);
    }
    if (random.nextInt(8) == 0) {
      claimed = random.nextBoolean() ? random.nextLong() : claimed + random.nextInt(-9, 10);
    }
    byte[] mutant = file(claimed, header, data.length);
    return random.nextInt(16) == 0
        ? Arrays.copyOf(mutant, random.nextInt(mutant.length + 1))
        : mutant;
  }

  private static byte[] edit(byte[] bytes, SplittableRandom random) {
    int from = random.nextInt(bytes.length + 1);
    int to = Math.min(bytes.length, from + random.nextInt(6));
    byte[] middle =
        switch (random.nextInt(6)) {
          case 0 -> new byte[] {(byte) random.nextInt(256)};
          case 1, 2 -> fragment(random);
          case 3 -> new byte[0];
          case 4 -> {
            // A copy of another part.
            int start = random.nextInt(bytes.length + 1);
            int end = Math.min(bytes.length, start + random.nextInt(60));
            to = from;
            yield Arrays.copyOfRange(bytes, start, end);
          }
          default -> {
            // One digit for another: the mutation that finds what the grammar lets through.
            List<Integer> digits = new ArrayList<>();
            for (int i = 0; i < bytes.length; i++) {
              if (bytes[i] >= '0' && bytes[i] <= '9') {
                digits.add(i);
              }
            }
            if (!digits.isEmpty()) {
              from = digits.get(random.nextInt(digits.size()));
              to = from + 1;
            }
            yield new byte[] {(byte) ('0' + random.nextInt(10))};
          }
        };
    byte[] result = new byte[from + middle.length + bytes.length - to];
    System.arraycopy(bytes, 0, result, 0, from);
    System.arraycopy(middle, 0, result, from, middle.length);
    System.arraycopy(bytes, to, result, from + middle.length, bytes.length - to);
    return result;
  }

  private static byte[] fragment(SplittableRandom random) {
    String fragment = FRAGMENTS.get(random.nextInt(FRAGMENTS.size()));
    return fragment.getBytes(StandardCharsets.UTF_8);
  }

  /** Every byte after the header belongs to exactly one tensor, whose size is its shape's. */
  private static void checkConsistent(SafeTensors file, byte[] bytes) {
    long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    MemorySegment whole = MemorySegment.ofArray(bytes);
    int[] owners = new int[bytes.length - 8 - (int) header];
    for (String name : file.names()) {
      SafeTensors.Entry entry = file.entry(name);
      MemorySegment data = entry.data();
      assertEquals(entry.type().byteSize(entry.shape()), data.byteSize());
      long start = data.address() - whole.address() - 8 - header;
      for (long i = 0; i < data.byteSize(); i++) {
        owners[(int) (start + i)]++;
        assertEquals((byte) (start + i), data.get(ValueLayout.JAVA_BYTE, i));
      }
      if (entry.type().dtype().isPresent() && entry.shape().length <= 3) {
        assertEquals(data.byteSize(), file.tensor(name).segment().byteSize());
      }
    }
    int[] ones = new int[owners.length];
    Arrays.fill(ones, 1);
    assertArrayEquals(ones, owners);
    file.metadata().forEach((key, value) -> assertTrue(key.length() + value.length() >= 0));
  }

  static Stream<Arguments> hungryFiles() {
    String shapeOfOnes = "{\"t\":{\"shape\":[" + "1,".repeat(500_000) + "1]}}";
    String huge = Long.toString(Long.MAX_VALUE);
    return Stream.of(
        Arguments.of("claims 100,000,000 bytes of header", file(100_000_000, new byte[] {'{'}, 0)),
        Arguments.of(
            "claims a huge shape", file("{" + tensor("t", "F64", "[" + huge + "]", 0, 8) + "}", 8)),
        Arguments.of(
            "claims huge offsets",
            file("{" + tensor("t", "U8", "[" + huge + "]", 0, Long.MAX_VALUE) + "}", 8)),
        Arguments.of("a million dimensions", file(shapeOfOnes, 0)),
        Arguments.of("a million brackets", file("{\"t\":{\"shape\":" + "[".repeat(1_000_000), 0)),
        Arguments.of("a million braces", file("{\"\":".repeat(1_000_000), 0)),
        Arguments.of(
            "a number of a million digits",
            file("{\"t\":{\"shape\":[" + "9".repeat(1_000_000) + "]}}", 0)),
        Arguments.of("a name of a million characters", file("{\"" + "n".repeat(1_000_000), 0)),
        Arguments.of(
            "an unknown dtype of a million characters",
            file("{\"t\":{\"dtype\":\"" + "n".repeat(1_000_000) + "\"}}", 0)),
        Arguments.of(
            "a hundred thousand tensors, the last one bad",
            file("{" + manyEmpty(100_000) + tensor("bad", "F32", "[1]", 0, 3) + "}", 3)));
  }

  private static String manyEmpty(int count) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < count; i++) {
      out.append(tensor("t" + i, "U8", "[0]", 0, 0)).append(',');
    }
    return out.toString();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("hungryFiles")
  void allocatesNoMoreThanTheFileIsWorth(String name, byte[] bytes) throws Exception {
    MemorySegment file = MemorySegment.ofArray(bytes);
    // Once before counting, so that loading classes doesn't count.
    assertThrows(SafeTensorsException.class, () -> SafeTensors.of(file));
    long before = allocatedBytes();
    assertThrows(SafeTensorsException.class, () -> SafeTensors.of(file));
    long allocated = allocatedBytes() - before;
    System.out.println(
        "safetensors: " + name + ": " + bytes.length + " bytes, allocated " + allocated);
    assertTrue(allocated > 0, "the counter works");
    assertTrue(allocated <= 100_000 + 32L * bytes.length, name + ": " + allocated + " bytes");
  }

  /** Bytes this thread has allocated. By reflection, as our module doesn't read the JVM's. */
  private static long allocatedBytes() throws ReflectiveOperationException {
    Object bean =
        Class.forName("java.lang.management.ManagementFactory")
            .getMethod("getThreadMXBean")
            .invoke(null);
    Method counter =
        Class.forName("com.sun.management.ThreadMXBean")
            .getMethod("getCurrentThreadAllocatedBytes");
    return (long) counter.invoke(bean);
  }
}
