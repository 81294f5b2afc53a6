package dev.borealis.io;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.SequencedMap;
import java.util.SequencedSet;

/**
 * A safetensors file: named dense tensors behind a JSON header, seen in place.
 *
 * <p>The reader maps the file and copies nothing; tensors are read-only views that live as long as
 * the arena. Everything the format demands is checked at opening, before any tensor is given out:
 * see {@link #of(MemorySegment)}. Opening takes time and memory linear in the header's length.
 * Should another process cut the mapped file short later, touching the lost part throws an {@link
 * InternalError}; files written by {@link #write} replace, and never change, older ones.
 *
 * <p>Immutable. Threads may share it if they may share the arena.
 */
public final class SafeTensors {
  private final String source;
  private final Map<String, String> metadata;
  private final SequencedMap<String, Entry> entries;

  private SafeTensors(String source, SafeTensorsHeader header) {
    this.source = source;
    this.metadata = Collections.unmodifiableMap(header.metadata());
    this.entries = Collections.unmodifiableSequencedMap(header.entries());
  }

  /**
   * Maps a file and checks its header.
   *
   * @param path the file
   * @param arena owner of the mapping; its kind decides which threads may read the tensors
   * @return the opened file
   * @throws SafeTensorsException if the file is malformed, as {@link #of(MemorySegment)} says
   * @throws IOException if the file can't be read
   */
  public static SafeTensors open(Path path, Arena arena) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return of(file, path.toString());
    }
  }

  /**
   * Looks at a whole file in memory.
   *
   * @param file the file's bytes; never written to
   * @return the view
   * @throws SafeTensorsException unless there is a header length of 8 bytes, at most 100,000,000
   *     and within the file; a header of strict JSON that begins with an opening brace and may end
   *     in spaces; unique names; known types; shapes whose size is that of the tensor's offsets;
   *     and tensors that cover the rest of the file without hole or overlap
   */
  public static SafeTensors of(MemorySegment file) throws SafeTensorsException {
    return of(file, "safetensors in memory");
  }

  private static SafeTensors of(MemorySegment file, String source) throws SafeTensorsException {
    return new SafeTensors(source, SafeTensorsHeader.parse(file.asReadOnly(), source));
  }

  /** {@return the header's free-form metadata, in its order; empty if there is none} */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** {@return the tensors' names in the order in which the header lists them} */
  public SequencedSet<String> names() {
    return entries.sequencedKeySet();
  }

  /**
   * {@return one tensor as it is stored, whatever its type}
   *
   * @param name one of {@link #names()}
   * @throws NoSuchElementException if there is no such tensor
   */
  public Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new NoSuchElementException(
          source + ": expected one of " + entries.size() + " tensors, came the name " + name);
    }
    return entry;
  }

  /**
   * {@return a read-only view of one tensor in place} A scalar comes as shape [1].
   *
   * @param name one of {@link #names()}; stored as F32, F16 or BF16 in at most 3 dimensions
   * @throws NoSuchElementException if there is no such tensor
   * @throws DTypeMismatchException if its type is another
   * @throws ShapeMismatchException if it has more than 3 dimensions
   */
  public Tensor tensor(String name) {
    Entry entry = entry(name);
    DType dtype =
        entry
            .type()
            .dtype()
            .orElseThrow(() ->
                new DTypeMismatchException(
                    source
                        + ": tensor "
                        + name
                        + ": expected F32, F16 or BF16, came "
                        + entry.type()));
    requireLittleEndian();
    long[] shape = entry.shape();
    if (shape.length > 3) {
      throw new ShapeMismatchException(
          source
              + ": tensor "
              + name
              + ": expected at most 3 dimensions, came "
              + Arrays.toString(shape));
    }
    return Tensor.of(entry.data(), dtype, shape.length == 0 ? new long[] {1} : shape);
  }

  /**
   * Writes tensors as {@link #writeEntries} does. Those with a row stride are written densely.
   *
   * @param path file to create or replace
   * @param metadata free-form strings; written in the order of their names
   * @param tensors the tensors by name
   * @throws IllegalArgumentException if a name is {@code __metadata__} or no Unicode, or the header
   *     would be longer than 100,000,000 bytes
   * @throws IOException if the file can't be written; an older file at that path stays as it was
   */
  public static void write(
      Path path, Map<String, String> metadata, SequencedMap<String, Tensor> tensors)
      throws IOException {
    SafeTensorsWriter writer = new SafeTensorsWriter(metadata);
    tensors.forEach(writer::add);
    writer.write(path);
  }

  /**
   * Writes tensors of any stored type. The same input gives the same bytes: the header lists the
   * tensors in the map's order; their data begins at a multiple of 64 bytes, widest types first and
   * otherwise in the map's order, so that every tensor is aligned to its element.
   *
   * <p>The file appears at once or not at all: it is written under another name in the same folder,
   * forced to disk, and moved over the path, which a symbolic link doesn't survive.
   *
   * @param path file to create or replace
   * @param metadata free-form strings; written in the order of their names
   * @param tensors the tensors by name
   * @throws IllegalArgumentException if a name is {@code __metadata__} or no Unicode, or the header
   *     would be longer than 100,000,000 bytes
   * @throws IOException if the file can't be written; an older file at that path stays as it was
   */
  public static void writeEntries(
      Path path, Map<String, String> metadata, SequencedMap<String, Entry> tensors)
      throws IOException {
    SafeTensorsWriter writer = new SafeTensorsWriter(metadata);
    tensors.forEach(writer::add);
    writer.write(path);
  }

  /** The format is little-endian, a Tensor of the machine's order: views need both to be one. */
  static void requireLittleEndian() {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new UnsupportedOperationException(
          "safetensors: expected a little-endian machine, came a big-endian one");
    }
  }

  /** {@return the source and the number of tensors, for messages} */
  @Override
  public String toString() {
    return source + ": " + entries.size() + " tensors";
  }

  /** A dense row-major tensor as it is stored: little-endian, of any alignment. */
  public static final class Entry {
    private final StoredType type;
    private final long[] shape;
    private final MemorySegment data;

    /** Takes what has been checked: read-only data, and a shape that nobody else holds. */
    Entry(StoredType type, MemorySegment data, long[] shape) {
      this.type = type;
      this.shape = shape;
      this.data = data;
    }

    /**
     * Describes a tensor in memory, for {@link #writeEntries}.
     *
     * @param type element type
     * @param data the elements, dense and little-endian; exactly as long as type and shape say
     * @param shape at most 64 dimensions; none for a scalar
     * @return the view
     * @throws ShapeMismatchException if the shape is illegal or does not give the data's length
     */
    public static Entry of(StoredType type, MemorySegment data, long... shape) {
      if (shape.length > SafeTensorsHeader.MAX_DIMENSIONS) {
        throw new ShapeMismatchException(
            "shape: expected at most "
                + SafeTensorsHeader.MAX_DIMENSIONS
                + " dimensions, came "
                + shape.length);
      }
      long size = type.byteSize(shape);
      if (size != data.byteSize()) {
        throw new ShapeMismatchException(
            "data: expected "
                + size
                + " bytes for "
                + Arrays.toString(shape)
                + " of "
                + type
                + ", came "
                + data.byteSize());
      }
      return new Entry(type, data.asReadOnly(), shape.clone());
    }

    /** {@return the element type} */
    public StoredType type() {
      return type;
    }

    /** {@return a copy of the shape; empty for a scalar} */
    public long[] shape() {
      return shape.clone();
    }

    /** {@return the elements in place, read-only and without copying} */
    public MemorySegment data() {
      return data;
    }

    /** {@return type and shape, for messages} */
    @Override
    public String toString() {
      return type + Arrays.toString(shape);
    }
  }
}
