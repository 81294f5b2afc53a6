package dev.borealis.io;

import dev.borealis.internal.json.Json;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Lays out and writes one safetensors file. */
final class SafeTensorsWriter {
  private static final int STAGE_BYTES = 1 << 20;

  /** Rows of equal length in memory, which follow each other without gaps in the file. */
  private record Item(
      StoredType type,
      MemorySegment data,
      long rows,
      long rowBytes,
      long pitch,
      Map<String, Object> declaration) {
    long byteSize() {
      return rows * rowBytes;
    }
  }

  private final Map<String, String> metadata;
  private final Map<String, Map<String, Object>> declarations = new LinkedHashMap<>();
  private final List<Item> items = new ArrayList<>();

  SafeTensorsWriter(Map<String, String> metadata) {
    // Sorted, because a map's own order need not be the same in the next run.
    this.metadata = new TreeMap<>(metadata);
  }

  void add(String name, Tensor tensor) {
    SafeTensors.requireLittleEndian();
    int size = tensor.dtype().byteSize();
    StoredType type = StoredType.of(tensor.dtype());
    long rows = tensor.columns() == 0 ? 0 : tensor.rows();
    long rowBytes = tensor.columns() * size;
    long pitch = tensor.rowStride() * size;
    if (tensor.isDense()) {
      // One long row: as few copies as the staging buffer allows.
      rowBytes *= rows;
      rows = 1;
    }
    Map<String, Object> declaration = declare(name, type, tensor.shape());
    items.add(new Item(type, tensor.segment(), rows, rowBytes, pitch, declaration));
  }

  void add(String name, SafeTensors.Entry entry) {
    MemorySegment data = entry.data();
    Map<String, Object> declaration = declare(name, entry.type(), entry.shape());
    items.add(new Item(entry.type(), data, 1, data.byteSize(), data.byteSize(), declaration));
  }

  private Map<String, Object> declare(String name, StoredType type, long[] shape) {
    if (name.equals(SafeTensorsHeader.METADATA)) {
      throw new IllegalArgumentException(
          "safetensors: expected tensor names other than " + name + ", which is reserved");
    }
    Map<String, Object> declaration = new LinkedHashMap<>();
    declaration.put("dtype", type.name());
    declaration.put("shape", shape);
    declarations.put(name, declaration);
    return declaration;
  }

  /** Writes the file and moves it into place. */
  void write(Path path) throws IOException {
    try (StagedFile file = stage(path)) {
      file.commit();
    }
  }

  /** Puts the data in order, fills in the offsets, and writes header and data at once. */
  StagedFile stage(Path path) throws IOException {
    items.sort(Comparator.comparingInt((Item item) -> item.type.bits()).reversed());
    long offset = 0;
    for (Item item : items) {
      long end = Math.addExact(offset, item.byteSize());
      item.declaration.put("data_offsets", new long[] {offset, end});
      offset = end;
    }
    byte[] header = header();
    return StagedFile.write(path, channel -> writeTo(channel, header));
  }

  private byte[] header() {
    Map<String, Object> all = new LinkedHashMap<>();
    if (!metadata.isEmpty()) {
      all.put(SafeTensorsHeader.METADATA, metadata);
    }
    all.putAll(declarations);
    byte[] json = Json.write(all).getBytes(StandardCharsets.UTF_8);
    long prefix = SafeTensorsHeader.LENGTH_BYTES;
    long length = Math.ceilDiv(prefix + json.length, Tensor.ALIGNMENT) * Tensor.ALIGNMENT - prefix;
    if (length > SafeTensorsHeader.MAX_LENGTH) {
      throw new IllegalArgumentException(
          "safetensors: expected a header of at most "
              + SafeTensorsHeader.MAX_LENGTH
              + " bytes, came "
              + length);
    }
    byte[] header = Arrays.copyOf(json, (int) length);
    Arrays.fill(header, json.length, header.length, (byte) ' ');
    return header;
  }

  private void writeTo(FileChannel channel, byte[] header) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      Stage stage = new Stage(channel, arena.allocate(STAGE_BYTES, Tensor.ALIGNMENT));
      MemorySegment length = arena.allocate(SafeTensorsHeader.LENGTH_BYTES);
      length.set(
          ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0, header.length);
      stage.put(length, 0, length.byteSize());
      stage.put(MemorySegment.ofArray(header), 0, header.length);
      for (Item item : items) {
        for (long row = 0; row < item.rows; row++) {
          stage.put(item.data, row * item.pitch, item.rowBytes);
        }
      }
      stage.flush();
    }
  }

  /** Gathers bytes from heap and native memory alike, and writes them in large pieces. */
  private static final class Stage {
    private final FileChannel channel;
    private final MemorySegment stage;
    private long used;

    Stage(FileChannel channel, MemorySegment stage) {
      this.channel = channel;
      this.stage = stage;
    }

    void put(MemorySegment source, long offset, long bytes) throws IOException {
      for (long done = 0; done < bytes; ) {
        long piece = Math.min(bytes - done, stage.byteSize() - used);
        MemorySegment.copy(source, offset + done, stage, used, piece);
        used += piece;
        done += piece;
        if (used == stage.byteSize()) {
          flush();
        }
      }
    }

    void flush() throws IOException {
      ByteBuffer bytes = stage.asSlice(0, used).asByteBuffer();
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      used = 0;
    }
  }
}
