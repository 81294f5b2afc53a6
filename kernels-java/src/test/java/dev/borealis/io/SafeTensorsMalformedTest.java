package dev.borealis.io;

import static dev.borealis.io.SafeTensorsFiles.file;
import static dev.borealis.io.SafeTensorsFiles.tensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One file for every demand of the format, each breaking just that one. */
class SafeTensorsMalformedTest {
  private static final byte[] EMPTY = "{}".getBytes(StandardCharsets.UTF_8);

  private static Arguments violation(String name, byte[] file, String... inMessage) {
    return Arguments.of(name, file, inMessage);
  }

  /** A violation within the header of a file with 16 bytes of data. */
  private static Arguments header(String name, String header, String... inMessage) {
    return violation(name, file(header, 16), inMessage);
  }

  /** A violation within the one tensor of a file with 16 bytes of data. */
  private static Arguments one(String name, String tensor, String... inMessage) {
    String[] all = Arrays.copyOf(inMessage, inMessage.length + 1);
    all[inMessage.length] = "tensor \"t\"";
    return header(name, "{\"t\":" + tensor + "}", all);
  }

  static Stream<Arguments> violations() {
    String good = tensor("t", "F32", "[4]", 0, 16);
    byte[] latin1 = ("{" + good.replace('t', 'é') + "}").getBytes(StandardCharsets.ISO_8859_1);
    return Stream.of(
        violation("no bytes", new byte[0], "8 bytes", "came 0 bytes"),
        violation("seven bytes", new byte[7], "8 bytes", "came 7 bytes"),
        violation("length 0", file(0, EMPTY, 0), "begin with '{'"),
        violation("length beyond the file", file(3, EMPTY, 0), "at most the 2 bytes", "came 3"),
        violation("length 100,000,000 of 2", file(100_000_000, EMPTY, 0), "came 100000000"),
        violation(
            "length 100,000,001", file(100_000_001, EMPTY, 0), "at most 100000000", "100000001"),
        violation("length 2^63", file(Long.MIN_VALUE, EMPTY, 0), "came 9223372036854775808"),
        violation("length 2^64-1", file(-1, EMPTY, 0), "came 18446744073709551615"),
        violation("length too short", file(1, EMPTY, 0), "header, byte 1"),
        header("space before the brace", " {" + good + "}", "begin with '{'", "0x20"),
        header("byte order mark", "\ufeff{" + good + "}", "begin with '{'"),
        header("an array", "[" + good + "]", "begin with '{'"),
        header("newline after the JSON", "{" + good + "}\n", "nothing but spaces", "0xa"),
        header("zero after the JSON", "{" + good + "} \0", "nothing but spaces", "0x0"),
        header("second object", "{" + good + "}{}", "nothing but spaces", "0x7b"),
        header("unclosed", "{" + good, "came the end"),
        header("trailing comma", "{" + good + ",}", "a string"),
        violation("not UTF-8", file(latin1, 16), "well-formed UTF-8"),
        header("duplicate tensor", "{" + good + "," + good + "}", "unique", "\"t\" twice"),
        header(
            "duplicate metadata",
            "{\"__metadata__\":{},\"__metadata__\":{}," + good + "}",
            "unique"),
        header(
            "duplicate metadata name",
            "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}," + good + "}",
            "unique"),
        header("metadata of numbers", "{\"__metadata__\":{\"a\":1}," + good + "}", "a string"),
        header("nested metadata", "{\"__metadata__\":{\"a\":{}}," + good + "}", "a string"),
        header("metadata null", "{\"__metadata__\":null," + good + "}", "an object"),
        header("tensor is a string", "{\"t\":\"F32\"}", "an object", "tensor \"t\""),
        one("no dtype", "{\"shape\":[4],\"data_offsets\":[0,16]}", "no dtype"),
        one("no shape", "{\"dtype\":\"F32\",\"data_offsets\":[0,16]}", "no shape"),
        one("no offsets", "{\"dtype\":\"F32\",\"shape\":[4]}", "no data_offsets"),
        one("unknown key", "{\"dtype\":\"F32\",\"strides\":[1]}", "came the key \"strides\""),
        one("duplicate key", "{\"dtype\":\"F32\",\"dtype\":\"F32\"}", "unique"),
        one("unknown dtype", info("F31", "[4]", "[0,16]"), "F31"),
        one("dtype in lower case", info("f32", "[4]", "[0,16]"), "f32"),
        one("dtype is a number", "{\"dtype\":32}", "a string"),
        one("shape is a number", info("F32", "4", "[0,16]"), "an array"),
        one("shape of strings", info("F32", "[\"4\"]", "[0,16]"), "an integer"),
        one("shape of fractions", info("F32", "[4.0]", "[0,16]"), "an integer"),
        one("shape with exponent", info("F32", "[4e0]", "[0,16]"), "an integer"),
        one("negative dimension", info("F32", "[-4]", "[0,16]"), ">= 0", "[-4]"),
        one("two negative dimensions", info("F32", "[-2,-2]", "[0,16]"), ">= 0"),
        one("minus zero", info("F32", "[-0]", "[0,16]"), "an integer"),
        one("dimension beyond 64 bits", info("F32", "[9223372036854775808]", "[0,16]"), "64 bits"),
        one("product wraps to 4", info("F32", "[4611686018427387905,4]", "[0,16]"), "2^63"),
        one("product wraps to 0", info("F32", "[4294967296,4294967296]", "[0,0]"), "2^63"),
        one("huge product times 0", info("F32", "[4294967296,4294967296,0]", "[0,0]"), "2^63"),
        one("0 times huge product", info("F32", "[0,4294967296,4294967296]", "[0,0]"), "2^63"),
        one("bytes wrap", info("F64", "[2305843009213693954]", "[0,16]"), "2^63"),
        one("65 dimensions", info("F32", "[" + "1,".repeat(64) + "4]", "[0,16]"), "at most 64"),
        one("half a byte", info("F4", "[31]", "[0,16]"), "whole bytes"),
        one("one offset", info("F32", "[4]", "[0]"), "2 numbers"),
        one("three offsets", info("F32", "[4]", "[0,16,16]"), "at most 2 numbers"),
        one("negative begin", info("F32", "[5]", "[-4,16]"), "0 <= begin", "[-4, 16]"),
        one("end before begin", info("F32", "[4]", "[16,0]"), "begin <= end", "[16, 0]"),
        one("end beyond the file", info("F32", "[5]", "[0,20]"), "<= 16", "[0, 20]"),
        one(
            "end near 2^63",
            info("U8", "[4]", "[9223372036854775803,9223372036854775807]"),
            "<= 16"),
        one(
            "size too small for the shape",
            info("F32", "[5]", "[0,16]"),
            "expected 20 bytes",
            "came 16"),
        one(
            "size too large for the shape",
            info("F16", "[4]", "[0,16]"),
            "expected 8 bytes",
            "came 16"),
        one("scalar of 16 bytes", info("F64", "[]", "[0,16]"), "expected 8 bytes"),
        one("hole at the start", info("F32", "[3]", "[4,16]"), "no hole", "a begin of 0, came 4"),
        header(
            "rest at the end",
            "{" + tensor("t", "F32", "[3]", 0, 12) + "}",
            "cover all 16",
            "came 12"),
        header("no tensors but data", "{}", "cover all 16", "came 0"),
        header(
            "hole between",
            "{" + tensor("t", "F32", "[1]", 0, 4) + "," + tensor("u", "F32", "[2]", 8, 16) + "}",
            "tensor \"u\"",
            "no hole"),
        header(
            "overlap",
            "{" + tensor("t", "F32", "[3]", 0, 12) + "," + tensor("u", "F32", "[2]", 8, 16) + "}",
            "tensor \"u\"",
            "no overlap"),
        header(
            "same place twice",
            "{" + tensor("t", "F32", "[4]", 0, 16) + "," + tensor("u", "F32", "[4]", 0, 16) + "}",
            "no overlap"),
        header(
            "empty tensor within another",
            "{" + tensor("t", "F32", "[4]", 0, 16) + "," + tensor("u", "F32", "[0]", 4, 4) + "}",
            "tensor \"u\"",
            "no overlap"),
        header("deep metadata", "{\"__metadata__\":" + "{\"a\":".repeat(100_000), "a string"),
        header("deep shape", "{\"t\":{\"shape\":" + "[".repeat(100_000), "an integer"));
  }

  private static String info(String dtype, String shape, String offsets) {
    return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("violations")
  void refuses(String name, byte[] bytes, String[] inMessage) {
    SafeTensorsException e =
        assertThrows(
            SafeTensorsException.class, () -> SafeTensors.of(MemorySegment.ofArray(bytes)), name);
    String message = String.valueOf(e.getMessage());
    assertTrue(message.startsWith("safetensors in memory: "), message);
    assertTrue(message.contains("expected"), message);
    assertTrue(message.length() < 1000, message);
    for (String part : inMessage) {
      assertTrue(message.contains(part), message);
    }
  }

  @Test
  void refusesAFileCutAnywhere(@TempDir Path folder) throws IOException {
    byte[] whole =
        file(
            "{"
                + tensor("a", "F32", "[2,2]", 0, 16)
                + ","
                + tensor("b", "U8", "[3]", 16, 19)
                + "}  ",
            19);
    Path path = folder.resolve("cut.safetensors");
    try (Arena arena = Arena.ofConfined()) {
      for (int length = 0; length < whole.length; length++) {
        Files.write(path, Arrays.copyOf(whole, length));
        SafeTensorsException e =
            assertThrows(SafeTensorsException.class, () -> SafeTensors.open(path, arena));
        assertTrue(String.valueOf(e.getMessage()).startsWith(path + ": "), e::getMessage);
      }
      Files.write(path, whole);
      assertEquals(2, SafeTensors.open(path, arena).names().size());
      Files.write(path, Arrays.copyOf(whole, whole.length + 1));
      assertThrows(SafeTensorsException.class, () -> SafeTensors.open(path, arena));
    }
  }

  @Test
  void theLongestHeaderIsAcceptedAndOneByteMoreIsNot(@TempDir Path folder) throws IOException {
    byte[] header = new byte[100_000_000];
    Arrays.fill(header, (byte) ' ');
    header[0] = '{';
    header[1] = '}';
    assertEquals(0, SafeTensors.of(MemorySegment.ofArray(file(header, 0))).names().size());
    byte[] longer = Arrays.copyOf(header, header.length + 1);
    longer[header.length] = ' ';
    SafeTensorsException e =
        assertThrows(
            SafeTensorsException.class,
            () -> SafeTensors.of(MemorySegment.ofArray(file(longer, 0))));
    assertTrue(String.valueOf(e.getMessage()).contains("came 100000001"), e::getMessage);
  }

  @Test
  void aFileThatIsNotThereIsNoMalformedFile(@TempDir Path folder) {
    try (Arena arena = Arena.ofConfined()) {
      assertThrows(
          NoSuchFileException.class, () -> SafeTensors.open(folder.resolve("none"), arena));
    }
  }

  @Test
  void aFileOfHolesIsRefused(@TempDir Path folder) throws IOException {
    Path path = folder.resolve("sparse.safetensors");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(1L << 32);
      file.write(new byte[] {0, (byte) 0xe1, (byte) 0xf5, 5, 0, 0, 0, 0, '{'});
    }
    try (Arena arena = Arena.ofConfined()) {
      SafeTensorsException e =
          assertThrows(SafeTensorsException.class, () -> SafeTensors.open(path, arena));
      assertTrue(String.valueOf(e.getMessage()).contains("byte 0x0"), e::getMessage);
    }
  }
}
