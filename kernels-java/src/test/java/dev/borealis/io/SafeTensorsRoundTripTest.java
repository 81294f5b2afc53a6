package dev.borealis.io;

import static dev.borealis.io.SafeTensorsFiles.file;
import static dev.borealis.io.SafeTensorsFiles.tensor;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SafeTensorsRoundTripTest {
  @TempDir Path folder;

  private static MemorySegment randomBytes(long seed, long bytes) {
    byte[] array = new byte[(int) bytes];
    new SplittableRandom(seed).nextBytes(array);
    return MemorySegment.ofArray(array);
  }

  private static SequencedMap<String, SafeTensors.Entry> entries(SafeTensors file) {
    SequencedMap<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
    file.names().forEach(name -> entries.put(name, file.entry(name)));
    return entries;
  }

  private List<String> filesInFolder() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> String.valueOf(file.getFileName())).sorted().toList();
    }
  }

  @ParameterizedTest
  @EnumSource(StoredType.class)
  void everyTypeKeepsEveryBit(StoredType type) throws IOException {
    Path path = folder.resolve("all.safetensors");
    long size = type.byteSize(4, 32, 64);
    MemorySegment data = randomBytes(type.name().hashCode(), size);
    SequencedMap<String, SafeTensors.Entry> tensors = new LinkedHashMap<>();
    tensors.put("odd", SafeTensors.Entry.of(StoredType.U8, randomBytes(1, 3), 3));
    tensors.put("t", SafeTensors.Entry.of(type, data, 4, 32, 64));
    tensors.put("empty", SafeTensors.Entry.of(type, MemorySegment.NULL, 0, 7));
    if (type.bits() % 8 == 0) {
      tensors.put("scalar", SafeTensors.Entry.of(type, randomBytes(2, type.bits() / 8)));
    }
    SafeTensors.writeEntries(path, Map.of("k", "v"), tensors);
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors file = SafeTensors.open(path, arena);
      assertEquals(Map.of("k", "v"), file.metadata());
      assertEquals(List.copyOf(tensors.keySet()), List.copyOf(file.names()));
      tensors.forEach((name, expected) -> {
        SafeTensors.Entry entry = file.entry(name);
        assertEquals(expected.type(), entry.type());
        assertArrayEquals(expected.shape(), entry.shape());
        assertEquals(-1, expected.data().mismatch(entry.data()));
        assertTrue(entry.data().isReadOnly());
      });
    }
    assertEquals(List.of("all.safetensors"), filesInFolder());
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void tensorsKeepEveryBitWhereverTheyLive(DType dtype) throws IOException {
    long bytes = 5L * 7 * dtype.byteSize();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment odd = arena.allocate(bytes + 1).asSlice(1);
      odd.copyFrom(randomBytes(3, bytes));
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("heap", Tensor.of(randomBytes(4, bytes), dtype, 5, 7));
      tensors.put("odd address", Tensor.of(odd, dtype, 35));
      tensors.put("floats", Tensor.of(new float[] {1, -0.0f, Float.NaN}, 3, 1, 1));
      tensors.put("none", Tensor.of(new float[0], 3, 0));
      Path path = folder.resolve("t.safetensors");
      SafeTensors.write(path, Map.of(), tensors);
      SafeTensors file = SafeTensors.open(path, arena);
      assertEquals(Map.of(), file.metadata());
      assertEquals(List.copyOf(tensors.keySet()), List.copyOf(file.names()));
      tensors.forEach((name, expected) -> {
        Tensor tensor = file.tensor(name);
        assertEquals(expected.dtype(), tensor.dtype());
        assertArrayEquals(expected.shape(), tensor.shape());
        assertEquals(-1, expected.segment().mismatch(tensor.segment()));
        assertTrue(tensor.segment().isReadOnly());
      });
    }
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void stridedTensorsAreWrittenDensely(DType dtype) throws IOException {
    // Long enough for the rows to cross the writer's staging buffer in odd places.
    int rows = 1009;
    int columns = 700;
    MemorySegment data = randomBytes(5, (long) rows * (columns + 3) * dtype.byteSize());
    Tensor whole = Tensor.of(data, dtype, rows, columns + 3);
    Tensor slice = whole.columnSlice(2, 2 + columns);
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("slice", slice);
    tensors.put("one row", slice.rowSlice(8, 9));
    tensors.put("no columns", whole.columnSlice(3, 3));
    Path path = folder.resolve("s.safetensors");
    SafeTensors.write(path, Map.of(), tensors);
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors file = SafeTensors.open(path, arena);
      Tensor read = file.tensor("slice");
      assertTrue(read.isDense());
      long row = (long) columns * dtype.byteSize();
      for (long i = 0; i < rows; i++) {
        MemorySegment expected = slice.rowSlice(i, i + 1).segment();
        assertEquals(-1, expected.mismatch(read.segment().asSlice(i * row, row)), "row " + i);
      }
      MemorySegment one = file.tensor("one row").segment();
      assertEquals(-1, one.mismatch(slice.rowSlice(8, 9).segment()));
      assertArrayEquals(new long[] {rows, 0}, file.tensor("no columns").shape());
    }
  }

  @Test
  void dataIsAlignedToItsElements() throws IOException {
    SequencedMap<String, SafeTensors.Entry> tensors = new LinkedHashMap<>();
    for (StoredType type : StoredType.values()) {
      int count = 24 / type.bits() + 8 * 5;
      if (count * type.bits() % 8 == 0) {
        long size = (long) count * type.bits() / 8;
        tensors.put(type.name(), SafeTensors.Entry.of(type, randomBytes(6, size), count));
      }
    }
    Path path = folder.resolve("a.safetensors");
    SafeTensors.writeEntries(path, Map.of(), tensors);
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(0, (8 + bytes.getLong(0)) % 64);
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors file = SafeTensors.open(path, arena);
      for (String name : file.names()) {
        SafeTensors.Entry entry = file.entry(name);
        long element = Math.max(1, entry.type().bits() / 8);
        assertEquals(0, entry.data().address() % element, name);
      }
      assertEquals(List.copyOf(tensors.keySet()), List.copyOf(file.names()));
    }
  }

  @Test
  void sameInputGivesTheSameBytes() throws IOException {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("b", Tensor.of(new float[] {1, 2}, 2));
    tensors.put("a", Tensor.of(new float[] {3}, 1));
    Path first = folder.resolve("1");
    Path second = folder.resolve("2");
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("z", "1");
    metadata.put("é\n\"", "2");
    SafeTensors.write(first, metadata, tensors);
    SafeTensors.write(second, new TreeMap<>(metadata), tensors);
    byte[] bytes = Files.readAllBytes(first);
    assertArrayEquals(bytes, Files.readAllBytes(second));
    String header =
        "{\"__metadata__\":{\"z\":\"1\",\"é\\n\\\"\":\"2\"},"
            + tensor("b", "F32", "[2]", 0, 8)
            + ","
            + tensor("a", "F32", "[1]", 8, 12)
            + "}";
    int padded = Math.ceilDiv(header.getBytes(StandardCharsets.UTF_8).length + 8, 64) * 64 - 8;
    ByteBuffer expected = ByteBuffer.allocate(8 + padded + 12).order(ByteOrder.LITTLE_ENDIAN);
    expected.putLong(padded).put(header.getBytes(StandardCharsets.UTF_8));
    while (expected.position() < 8 + padded) {
      expected.put((byte) ' ');
    }
    expected.putFloat(1).putFloat(2).putFloat(3);
    assertArrayEquals(expected.array(), bytes);
  }

  @Test
  void theOrderOfTheMetadataMapDoesNotShow() throws IOException {
    Map<String, String> up = new LinkedHashMap<>();
    Map<String, String> down = new LinkedHashMap<>();
    for (int i = 0; i < 50; i++) {
      up.put("key " + i, "");
      down.put("key " + (49 - i), "");
    }
    Path first = folder.resolve("1");
    Path second = folder.resolve("2");
    SafeTensors.write(first, up, new LinkedHashMap<>());
    SafeTensors.write(second, down, new LinkedHashMap<>());
    assertEquals(-1, Files.mismatch(first, second));
    try (Arena arena = Arena.ofConfined()) {
      List<String> sorted = up.keySet().stream().sorted().toList();
      assertEquals(sorted, List.copyOf(SafeTensors.open(first, arena).metadata().keySet()));
    }
  }

  @Test
  void manyTensors() throws IOException {
    int count = 20_000;
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      tensors.put("layer." + i + ".weight", Tensor.of(new float[] {i, -i}, 1, 2));
    }
    Path path = folder.resolve("many.safetensors");
    SafeTensors.write(path, Map.of(), tensors);
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors file = SafeTensors.open(path, arena);
      assertEquals(List.copyOf(tensors.keySet()), List.copyOf(file.names()));
      for (int i = 0; i < count; i += 97) {
        assertEquals(-i, file.tensor("layer." + i + ".weight").get(0, 1));
      }
    }
  }

  @Test
  void readsAnyOrderAnyAlignmentAndAnyStartInMemory() throws IOException {
    // Header order is not data order; the floats lie at odd offsets; keys come in any order.
    String header =
        "{"
            + tensor("last", "F32", "[1]", 11, 15)
            + ", \"first\" : {\"data_offsets\":[0,3], \"shape\":[3,1], \"dtype\":\"U8\"} ,\n"
            + tensor("nothing", "BF16", "[0]", 3, 3)
            + ","
            + tensor("middle", "F16", "[2,1,1,2]", 3, 11)
            + "}   ";
    byte[] bytes = file(header, 15);
    MemorySegment shifted = MemorySegment.ofArray(new byte[bytes.length + 1]).asSlice(1);
    shifted.copyFrom(MemorySegment.ofArray(bytes));
    SafeTensors file = SafeTensors.of(shifted);
    assertEquals(List.of("last", "first", "nothing", "middle"), List.copyOf(file.names()));
    assertArrayEquals(
        new byte[] {0, 1, 2}, file.entry("first").data().toArray(ValueLayout.JAVA_BYTE));
    assertEquals(Float.intBitsToFloat(0x0e0d0c0b), file.tensor("last").get(0, 0));
    assertEquals(0, file.tensor("nothing").columns());
    assertThrows(ShapeMismatchException.class, () -> file.tensor("middle"));
    assertThrows(DTypeMismatchException.class, () -> file.tensor("first"));
    NoSuchElementException e = assertThrows(NoSuchElementException.class, () -> file.entry("fist"));
    assertTrue(String.valueOf(e.getMessage()).contains("fist"), e::getMessage);
  }

  @Test
  void aScalarIsATensorOfOneElement() throws IOException {
    SafeTensors file =
        SafeTensors.of(MemorySegment.ofArray(file("{" + tensor("s", "F32", "[]", 0, 4) + "}", 4)));
    assertArrayEquals(new long[0], file.entry("s").shape());
    assertTrue(file.tensor("s").hasShape(1));
    assertEquals(Float.intBitsToFloat(0x03020100), file.tensor("s").get(0, 0));
  }

  @Test
  void aFileWithoutTensors() throws IOException {
    assertEquals(0, SafeTensors.of(MemorySegment.ofArray(file("{}", 0))).names().size());
    Path path = folder.resolve("empty.safetensors");
    SafeTensors.write(path, Map.of(), new LinkedHashMap<>());
    try (Arena arena = Arena.ofConfined()) {
      assertEquals(0, SafeTensors.open(path, arena).names().size());
    }
  }

  @Test
  void viewsEndWithTheArena() throws IOException {
    Path path = folder.resolve("x.safetensors");
    SafeTensors.write(path, Map.of(), new LinkedHashMap<>(Map.of("x", Tensor.of(new float[3], 3))));
    Tensor tensor;
    try (Arena arena = Arena.ofConfined()) {
      tensor = SafeTensors.open(path, arena).tensor("x");
      assertThrows(IllegalArgumentException.class, () -> tensor.set(0, 0, 1));
    }
    assertThrows(IllegalStateException.class, () -> tensor.get(0, 0));
  }

  @Test
  void aFileMayReplaceTheOneItWasReadFrom() throws IOException {
    Path path = folder.resolve("x.safetensors");
    SafeTensors.write(
        path, Map.of(), new LinkedHashMap<>(Map.of("x", Tensor.of(new float[] {1, 2, 3}, 3))));
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors old = SafeTensors.open(path, arena);
      SafeTensors.writeEntries(path, Map.of("new", "yes"), entries(old));
      SafeTensors fresh = SafeTensors.open(path, arena);
      assertEquals(Map.of("new", "yes"), fresh.metadata());
      assertEquals(3, fresh.tensor("x").get(0, 2));
      assertEquals(3, old.tensor("x").get(0, 2));
    }
  }

  @Test
  void aFailedWriteLeavesTheOldFileAndNothingElse() throws IOException {
    Path path = folder.resolve("x.safetensors");
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("good", Tensor.of(new float[1 << 20], 1 << 20));
    SafeTensors.write(path, Map.of("is", "old"), tensors);
    byte[] old = Files.readAllBytes(path);
    try (Arena arena = Arena.ofConfined()) {
      tensors.put("closed", Tensor.allocate(arena, DType.F32, 8));
    }
    assertThrows(
        IllegalStateException.class, () -> SafeTensors.write(path, Map.of("is", "new"), tensors));
    assertArrayEquals(old, Files.readAllBytes(path));
    assertEquals(List.of("x.safetensors"), filesInFolder());
  }

  @Test
  void aPathThatCannotBeReplacedLeavesNothingBehind() throws IOException {
    Path path = folder.resolve("d");
    Files.createDirectories(path.resolve("inner"));
    assertThrows(IOException.class, () -> SafeTensors.write(path, Map.of(), new LinkedHashMap<>()));
    assertEquals(List.of("d"), filesInFolder());
    Path nowhere = folder.resolve("missing").resolve("x.safetensors");
    assertThrows(
        NoSuchFileException.class,
        () -> SafeTensors.write(nowhere, Map.of(), new LinkedHashMap<>()));
    assertEquals(List.of("d"), filesInFolder());
  }

  @Test
  void refusesWhatTheFormatCannotSayBeforeTouchingTheDisk() throws IOException {
    Path path = folder.resolve("x.safetensors");
    Tensor tensor = Tensor.of(new float[1], 1);
    for (String name : List.of("__metadata__", "\ud800")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> SafeTensors.write(path, Map.of(), new LinkedHashMap<>(Map.of(name, tensor))));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> SafeTensors.write(path, Map.of("k", "\udc00"), new LinkedHashMap<>()));
    // Each becomes six characters of header.
    String tooLong = "\u0001".repeat(100_000_000 / 6);
    assertThrows(
        IllegalArgumentException.class,
        () -> SafeTensors.write(path, Map.of("k", tooLong), new LinkedHashMap<>()));
    assertEquals(List.of(), filesInFolder());
  }

  @Test
  void entriesMustFitTheirShape() {
    MemorySegment data = randomBytes(8, 16);
    assertArrayEquals(new long[] {2}, SafeTensors.Entry.of(StoredType.I64, data, 2).shape());
    for (long[] shape : new long[][] {{3}, {1}, {-2}, {}, {1L << 62, 4}, {0, 2}, new long[65]}) {
      assertThrows(
          ShapeMismatchException.class, () -> SafeTensors.Entry.of(StoredType.I64, data, shape));
    }
    assertThrows(ShapeMismatchException.class, () -> StoredType.F4.byteSize(3));
    assertEquals(3, StoredType.F6_E2M3.byteSize(4));
    assertFalse(StoredType.I32.dtype().isPresent());
  }
}
