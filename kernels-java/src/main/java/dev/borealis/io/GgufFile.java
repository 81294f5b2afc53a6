package dev.borealis.io;

import dev.borealis.internal.json.Json;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * The metadata and tensors of a GGUF file, version 2 or 3, little-endian. Every number is checked
 * before it is used; nothing is allocated in proportion to a number that the file only claims.
 */
final class GgufFile {
  private static final long MAGIC = 0x46554747L; // "GGUF"
  private static final int MAX_DIMENSIONS = 3;

  // Types of values. Those left out here are numbers of a fixed size.
  private static final int UINT32 = 4;
  private static final int FLOAT32 = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;
  private static final int[] VALUE_BYTES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

  private static final Map<Long, DType> TYPES =
      Map.of(0L, DType.F32, 1L, DType.F16, 30L, DType.BF16);
  private static final Map<Long, String> OTHER_TYPES =
      Map.ofEntries(
          Map.entry(2L, "Q4_0"),
          Map.entry(3L, "Q4_1"),
          Map.entry(6L, "Q5_0"),
          Map.entry(7L, "Q5_1"),
          Map.entry(8L, "Q8_0"),
          Map.entry(9L, "Q8_1"),
          Map.entry(10L, "Q2_K"),
          Map.entry(11L, "Q3_K"),
          Map.entry(12L, "Q4_K"),
          Map.entry(13L, "Q5_K"),
          Map.entry(14L, "Q6_K"),
          Map.entry(15L, "Q8_K"),
          Map.entry(24L, "I8"),
          Map.entry(25L, "I16"),
          Map.entry(26L, "I32"),
          Map.entry(27L, "I64"),
          Map.entry(28L, "F64"));

  /** A tensor as the file describes it; its shape in row-major order. */
  private static final class Declared {
    final String name;
    final DType type;
    final long[] shape;
    final long offset;
    final long bytes;

    Declared(String name, DType type, long[] shape, long offset, long bytes) {
      this.name = name;
      this.type = type;
      this.shape = shape;
      this.offset = offset;
      this.bytes = bytes;
    }
  }

  private final MemorySegment file;
  private final GgufCursor in;
  private final Map<String, Object> metadata = new HashMap<>();
  private final SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();

  /**
   * Parses a file.
   *
   * @param file the file's bytes
   * @param source its name, for messages
   * @throws GgufException if anything is not as the format demands, or a tensor isn't F32, F16 or
   *     BF16
   */
  GgufFile(MemorySegment file, String source) throws GgufException {
    this.file = file.asReadOnly();
    this.in = new GgufCursor(this.file, source);
    parse();
  }

  /** {@return a value: {@link Text}, Float (f32), Long (u32), Boolean; a description of others} */
  @Nullable Object value(String key) {
    return metadata.get(key);
  }

  /** {@return all keys} */
  Iterable<String> keys() {
    return Collections.unmodifiableSet(metadata.keySet());
  }

  SequencedMap<String, Tensor> tensors() {
    return Collections.unmodifiableSequencedMap(tensors);
  }

  private void parse() throws GgufException {
    long magic = in.u32("magic");
    if (magic != MAGIC) {
      throw in.malformed("magic", "expected GGUF, came 0x" + Long.toHexString(magic));
    }
    long version = in.u32("version");
    if (version != 2 && version != 3) {
      boolean bigEndian = version == 2L << 24 || version == 3L << 24;
      throw in.malformed(
          "version",
          "expected 2 or 3, came "
              + (bigEndian ? "that of a big-endian file" : Long.toString(version)));
    }
    // A tensor takes at least: name length, dimensions, one size, type, offset. A value: key, type,
    // byte.
    long tensorCount = in.count("number of tensors", 8 + 4 + 8 + 4 + 8);
    long valueCount = in.count("number of values", 8 + 4 + 1);
    for (long i = 0; i < valueCount; i++) {
      parseValue();
    }
    long alignment = alignment();
    SequencedMap<String, Declared> declared = new LinkedHashMap<>();
    long end = 0;
    for (long i = 0; i < tensorCount; i++) {
      Declared tensor = parseTensor();
      if (declared.put(tensor.name, tensor) != null) {
        throw in.malformed("tensor " + Json.quoteStart(tensor.name), "expected once, came twice");
      }
      if (tensor.offset != pad(end, alignment)) {
        throw in.malformed(
            "tensor " + Json.quoteStart(tensor.name),
            "expected the offset "
                + pad(end, alignment)
                + ", after the tensor before, came "
                + Long.toUnsignedString(tensor.offset));
      }
      end = tensor.offset + tensor.bytes;
      // Checked here, so that no sum can overflow.
      if (end < 0 || end > file.byteSize()) {
        throw in.malformed(
            "tensor " + Json.quoteStart(tensor.name),
            "expected data within the file's "
                + file.byteSize()
                + " bytes, came "
                + tensor.bytes
                + " bytes at "
                + tensor.offset);
      }
    }
    place(declared, pad(in.position(), alignment), end, alignment);
  }

  private void place(SequencedMap<String, Declared> declared, long start, long end, long alignment)
      throws GgufException {
    long length = file.byteSize() - start;
    if (!declared.isEmpty() && (end > length || length > pad(end, alignment))) {
      throw in.malformed(
          "data", "expected " + end + " bytes from byte " + start + " and padding, came " + length);
    }
    for (Declared tensor : declared.values()) {
      MemorySegment data = file.asSlice(start + tensor.offset, tensor.bytes);
      tensors.put(tensor.name, Tensor.of(data, tensor.type, tensor.shape));
    }
  }

  private void parseValue() throws GgufException {
    String key = in.string("key");
    String what = "key " + Json.quoteStart(key);
    if (metadata.containsKey(key)) {
      throw in.malformed(what, "expected once, came twice");
    }
    long type = in.u32(what);
    Object value;
    if (type == STRING) {
      value = new Text(in.string(what));
    } else if (type == FLOAT32) {
      value = Float.intBitsToFloat((int) in.u32(what));
    } else if (type == UINT32) {
      value = in.u32(what);
    } else if (type == BOOL) {
      value = bool(what);
    } else if (type == ARRAY) {
      skipArray(what);
      value = "an array";
    } else {
      in.skip(valueBytes(type, what), what);
      value = "a number";
    }
    metadata.put(key, value);
  }

  /** A string value, told apart from the descriptions of values that aren't kept. */
  record Text(String text) {}

  private boolean bool(String what) throws GgufException {
    int value = in.u8(what);
    if (value > 1) {
      throw in.malformed(what, "expected a boolean, 0 or 1, came " + value);
    }
    return value == 1;
  }

  private void skipArray(String what) throws GgufException {
    long type = in.u32(what);
    if (type == ARRAY) {
      throw in.malformed(what, "expected an array of numbers or strings, came one of arrays");
    }
    if (type == STRING) {
      long count = in.count(what + ", elements", 8);
      for (long i = 0; i < count; i++) {
        in.skipString(what);
      }
      return;
    }
    long bytes = valueBytes(type, what);
    in.skip(bytes * in.count(what + ", elements", bytes), what);
  }

  private long valueBytes(long type, String what) throws GgufException {
    if (type >= VALUE_BYTES.length || VALUE_BYTES[(int) type] == 0) {
      throw in.malformed(what, "expected a type of value up to 12, came " + type);
    }
    return VALUE_BYTES[(int) type];
  }

  private long alignment() throws GgufException {
    Object value = metadata.getOrDefault("general.alignment", 32L);
    if (!(value instanceof Long alignment) || Long.bitCount(alignment) != 1) {
      throw in.malformed("general.alignment", "expected a power of two as u32, came " + value);
    }
    return alignment;
  }

  private Declared parseTensor() throws GgufException {
    String name = in.string("tensor name");
    String what = "tensor " + Json.quoteStart(name);
    long dimensions = in.u32(what);
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      throw in.malformed(
          what, "expected 1 to " + MAX_DIMENSIONS + " dimensions, came " + dimensions);
    }
    // The format names the fastest dimension first.
    long[] shape = new long[(int) dimensions];
    for (int i = shape.length - 1; i >= 0; i--) {
      shape[i] = in.i64(what);
    }
    long typeNumber = in.u32(what);
    DType type = TYPES.get(typeNumber);
    if (type == null) {
      throw in.malformed(
          what,
          "expected F32, F16 or BF16, came "
              + OTHER_TYPES.getOrDefault(typeNumber, "type " + typeNumber));
    }
    long bytes = type.byteSize();
    for (long dimension : shape) {
      if (dimension < 1 || bytes > file.byteSize() / dimension) {
        throw in.malformed(
            what,
            "expected dimensions of at least 1 and a size within the file's "
                + file.byteSize()
                + " bytes, came "
                + Arrays.toString(shape));
      }
      bytes *= dimension;
    }
    return new Declared(name, type, shape, in.i64(what), bytes);
  }

  /** Neither operand is larger than a file and an alignment of 32 bits: no overflow. */
  private static long pad(long offset, long alignment) {
    return (offset + alignment - 1) & -alignment;
  }
}
