package dev.borealis.io;

import dev.borealis.internal.json.Json;
import dev.borealis.internal.json.JsonException;
import dev.borealis.internal.json.JsonReader;
import dev.borealis.tensor.ShapeMismatchException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Parses and checks the header of a safetensors file, in place. Every number is checked before it
 * is used; nothing is allocated in proportion to a number that the file only claims.
 */
final class SafeTensorsHeader {
  static final long MAX_LENGTH = 100_000_000;

  /** Bytes before the header: its length. */
  static final long LENGTH_BYTES = 8;

  /** The format has no such limit; arrays elsewhere have 64 dimensions at most. */
  static final int MAX_DIMENSIONS = 64;

  static final String METADATA = "__metadata__";

  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final Map<String, StoredType> TYPES =
      Stream.of(StoredType.values()).collect(Collectors.toMap(StoredType::name, type -> type));

  /** Where a tensor's data lies, relative to the end of the header. */
  private record Extent(String name, long begin, long end) {}

  private final String source;
  private final JsonReader json;
  private final MemorySegment buffer;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final SequencedMap<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
  private final List<Extent> extents = new ArrayList<>();
  private @Nullable String current;

  private SafeTensorsHeader(String source, MemorySegment header, MemorySegment buffer) {
    this.source = source;
    this.json = new JsonReader(header);
    this.buffer = buffer;
  }

  /**
   * Parses the header of a whole file.
   *
   * @param file the file's bytes, read-only
   * @param source the file's name, for messages
   * @throws SafeTensorsException if anything is not as the format demands
   */
  static SafeTensorsHeader parse(MemorySegment file, String source) throws SafeTensorsException {
    MemorySegment header = locate(file, source);
    MemorySegment buffer = file.asSlice(LENGTH_BYTES + header.byteSize());
    SafeTensorsHeader parsed = new SafeTensorsHeader(source, header, buffer);
    try {
      parsed.parseEntries();
    } catch (JsonException e) {
      throw parsed.malformed("header, " + e.getMessage(), e);
    }
    parsed.checkPadding(header);
    parsed.checkCoverage();
    return parsed;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  SequencedMap<String, SafeTensors.Entry> entries() {
    return entries;
  }

  private static MemorySegment locate(MemorySegment file, String source)
      throws SafeTensorsException {
    if (file.byteSize() < LENGTH_BYTES) {
      throw new SafeTensorsException(
          source + ": expected a header length of 8 bytes, came " + file.byteSize() + " bytes",
          null);
    }
    long length = file.get(U64, 0);
    if (length < 0 || length > MAX_LENGTH) {
      throw new SafeTensorsException(
          source
              + ": header length: expected at most "
              + MAX_LENGTH
              + ", came "
              + Long.toUnsignedString(length),
          null);
    }
    if (length > file.byteSize() - LENGTH_BYTES) {
      throw new SafeTensorsException(
          source
              + ": header length: expected at most the "
              + (file.byteSize() - LENGTH_BYTES)
              + " bytes that follow, came "
              + length,
          null);
    }
    if (length == 0 || file.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) != '{') {
      throw new SafeTensorsException(
          source
              + ": header: expected it to begin with '{', came "
              + (length == 0
                  ? "an empty header"
                  : "byte 0x" + hex(file.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES))),
          null);
    }
    return file.asSlice(LENGTH_BYTES, length);
  }

  private void parseEntries() throws JsonException, SafeTensorsException {
    json.beginObject();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      current = name;
      if (name.equals(METADATA)) {
        parseMetadata();
      } else {
        parseTensor(name);
      }
      current = null;
    }
  }

  private void parseMetadata() throws JsonException {
    json.beginObject();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      metadata.put(name, json.string());
    }
  }

  private void parseTensor(String name) throws JsonException, SafeTensorsException {
    StoredType type = null;
    long[] shape = null;
    long[] offsets = null;
    json.beginObject();
    for (String key = json.nextName(); key != null; key = json.nextName()) {
      switch (key) {
        case "dtype" -> type = parseType();
        case "shape" -> shape = parseIntegers("shape", MAX_DIMENSIONS);
        case "data_offsets" -> offsets = parseIntegers("data_offsets", 2);
        default ->
            throw malformed(
                "expected dtype, shape and data_offsets, came the key " + Json.quoteStart(key),
                null);
      }
    }
    if (type == null || shape == null || offsets == null) {
      String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
      throw malformed("expected dtype, shape and data_offsets, came no " + missing, null);
    }
    if (offsets.length != 2) {
      throw malformed("data_offsets: expected 2 numbers, came " + offsets.length, null);
    }
    long begin = offsets[0];
    long end = offsets[1];
    if (begin < 0 || begin > end || end > buffer.byteSize()) {
      throw malformed(
          "data_offsets: expected 0 <= begin <= end <= "
              + buffer.byteSize()
              + ", came "
              + Arrays.toString(offsets),
          null);
    }
    long size = byteSize(type, shape);
    if (size != end - begin) {
      throw malformed(
          "data_offsets: expected "
              + size
              + " bytes for "
              + Arrays.toString(shape)
              + " of "
              + type
              + ", came "
              + (end - begin)
              + " in "
              + Arrays.toString(offsets),
          null);
    }
    entries.put(name, new SafeTensors.Entry(type, buffer.asSlice(begin, size), shape));
    extents.add(new Extent(name, begin, end));
  }

  private StoredType parseType() throws JsonException, SafeTensorsException {
    String name = json.string();
    StoredType type = TYPES.get(name);
    if (type == null) {
      throw malformed(
          "dtype: expected one of "
              + Arrays.toString(StoredType.values())
              + ", came "
              + Json.quoteStart(name),
          null);
    }
    return type;
  }

  private long[] parseIntegers(String what, int most) throws JsonException, SafeTensorsException {
    long[] numbers = new long[4];
    int count = 0;
    json.beginArray();
    while (json.nextElement()) {
      if (count == most) {
        throw malformed(what + ": expected at most " + most + " numbers, came more", null);
      }
      if (count == numbers.length) {
        numbers = Arrays.copyOf(numbers, 2 * count);
      }
      numbers[count++] = json.longValue();
    }
    return Arrays.copyOf(numbers, count);
  }

  private long byteSize(StoredType type, long[] shape) throws SafeTensorsException {
    try {
      return type.byteSize(shape);
    } catch (ShapeMismatchException e) {
      throw malformed(String.valueOf(e.getMessage()), e);
    }
  }

  private void checkPadding(MemorySegment header) throws SafeTensorsException {
    for (long i = json.position(); i < header.byteSize(); i++) {
      byte c = header.get(ValueLayout.JAVA_BYTE, i);
      if (c != ' ') {
        throw malformed(
            "header, byte " + i + ": expected nothing but spaces after the JSON, came 0x" + hex(c),
            null);
      }
    }
  }

  private void checkCoverage() throws SafeTensorsException {
    extents.sort(Comparator.comparingLong(Extent::begin).thenComparingLong(Extent::end));
    long covered = 0;
    for (Extent extent : extents) {
      if (extent.begin != covered) {
        current = extent.name;
        throw malformed(
            "data_offsets: expected no "
                + (extent.begin < covered ? "overlap" : "hole")
                + ": a begin of "
                + covered
                + ", came "
                + extent.begin,
            null);
      }
      covered = extent.end;
    }
    if (covered != buffer.byteSize()) {
      throw malformed(
          "data: expected tensors to cover all "
              + buffer.byteSize()
              + " bytes after the header, came "
              + covered,
          null);
    }
  }

  private SafeTensorsException malformed(String message, @Nullable Throwable cause) {
    String tensor = current == null ? "" : "tensor " + Json.quoteStart(current) + ": ";
    return new SafeTensorsException(source + ": " + tensor + message, cause);
  }

  private static String hex(byte b) {
    return Integer.toHexString(b & 0xff);
  }
}
