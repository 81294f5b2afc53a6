package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A LoRA adapter in llama.cpp's format: one GGUF file with a pair of tensors {@code NAME.lora_a}
 * [r, d_in] and {@code NAME.lora_b} [d_out, r] for each adapted weight of the base model. Read
 * only.
 *
 * <p>The scale is {@code adapter.lora.alpha / r}, or 1 where alpha is 0 or missing, as in
 * llama.cpp. Names and order of rows are llama.cpp's, too: its converters permute the rows of some
 * models' query and key projections.
 *
 * <p>Everything is checked at opening; time and memory are linear in the length of the file's
 * header. Immutable. Threads may share it if they may share the arena.
 */
public final class GgufAdapter {
  private static final String SUFFIX_A = ".lora_a";
  private static final String SUFFIX_B = ".lora_b";

  /** Keys under {@code adapter.} that don't change the numbers, or are understood. */
  private static final Set<String> ADAPTER_KEYS =
      Set.of(
          "adapter.type",
          "adapter.lora.alpha",
          "adapter.lora.task_name",
          "adapter.lora.prompt_prefix");

  private record Pair(AdapterSpec spec, Tensor a, Tensor b) {}

  private final String source;
  private final String architecture;
  private final SequencedMap<String, Pair> modules = new LinkedHashMap<>();
  private final SequencedMap<String, Tensor> extraTensors = new LinkedHashMap<>();

  private GgufAdapter(GgufFile file, String source) throws GgufException {
    this.source = source;
    require(file, "general.type", "adapter");
    require(file, "adapter.type", "lora");
    for (String key : file.keys()) {
      if (key.startsWith("adapter.") && !ADAPTER_KEYS.contains(key)) {
        throw new GgufException(
            source + ": expected known keys of adapters, came " + key + ", which may change them",
            null);
      }
    }
    this.architecture =
        file.value("general.architecture") instanceof GgufFile.Text text ? text.text() : "";
    float alpha = alpha(file);
    SequencedMap<String, Tensor> tensors = file.tensors();
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      String name = entry.getKey();
      if (name.endsWith(SUFFIX_A)) {
        String module = name.substring(0, name.length() - SUFFIX_A.length());
        modules.put(module, pair(module, entry.getValue(), tensors.get(module + SUFFIX_B), alpha));
      } else if (!name.endsWith(SUFFIX_B)) {
        extraTensors.put(name, entry.getValue());
      } else if (!tensors.containsKey(partner(name))) {
        throw missing(partner(name));
      }
    }
    if (modules.isEmpty()) {
      throw new GgufException(source + ": expected tensors NAME.lora_a, came none", null);
    }
  }

  /**
   * Maps a file and checks it.
   *
   * @param path the file
   * @param arena owner of the mapping; may be closed once the weights have been taken
   * @return the opened file
   * @throws GgufException if the file is malformed or no LoRA adapter, as {@link
   *     #of(MemorySegment)} says
   * @throws IOException if the file can't be read
   */
  public static GgufAdapter open(Path path, Arena arena) throws IOException {
    SafeTensors.requireLittleEndian();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return new GgufAdapter(new GgufFile(file, path.toString()), path.toString());
    }
  }

  /**
   * Looks at a whole file in memory.
   *
   * @param file the file's bytes; never written to
   * @return the view
   * @throws GgufException unless this is GGUF of version 2 or 3, little-endian, with unique keys
   *     and tensor names, data that tiles the rest of the file in the tensors' order with nothing
   *     but padding to the alignment between, tensors of F32, F16 or BF16 only, {@code
   *     general.type} adapter, {@code adapter.type} lora, no other keys {@code adapter.*} than are
   *     understood, and whole pairs of matching shapes
   */
  public static GgufAdapter of(MemorySegment file) throws GgufException {
    SafeTensors.requireLittleEndian();
    String source = "GGUF in memory";
    return new GgufAdapter(new GgufFile(file, source), source);
  }

  /**
   * {@return the names of the adapted weights, such as {@code blk.0.attn_q.weight}, as in the file}
   */
  public SequencedSet<String> modules() {
    return Collections.unmodifiableSequencedMap(modules).sequencedKeySet();
  }

  /** {@return {@code general.architecture}, such as {@code llama}; empty if there is none} */
  public String architecture() {
    return architecture;
  }

  /**
   * {@return the whole name of an adapted weight}
   *
   * @param suffix the name, or its end from after a dot; a whole name wins over ends
   * @throws NoSuchElementException if there is no such weight
   * @throws IllegalArgumentException if several names end so; the message names them
   */
  public String module(String suffix) {
    return ModuleNames.find(modules.keySet(), suffix, source);
  }

  /**
   * {@return the specification of one adapter: a LoRA}
   *
   * @param suffix as for {@link #module}
   */
  public AdapterSpec spec(String suffix) {
    return find(suffix).spec;
  }

  /**
   * {@return the weights of one adapter: fresh, dense, writable copies in the types of the file}
   *
   * @param suffix as for {@link #module}
   * @param arena owner of the copies
   */
  public AdapterWeights weights(String suffix, Arena arena) {
    Pair pair = find(suffix);
    EnumMap<Parameter, Tensor> copies = new EnumMap<>(Parameter.class);
    copies.put(Parameter.A, copy(pair.a, arena));
    copies.put(Parameter.B, copy(pair.b, arena));
    return new AdapterWeights(pair.spec, copies);
  }

  /**
   * {@return the names of the tensors that belong to no pair, such as norms; llama.cpp ignores
   * norms, and refuses others}
   */
  public SequencedSet<String> extraTensors() {
    return Collections.unmodifiableSequencedSet(new LinkedHashSet<>(extraTensors.keySet()));
  }

  /**
   * {@return one of the extra tensors, a read-only view in place}
   *
   * @param name one of {@link #extraTensors()}
   * @throws NoSuchElementException if there is no such tensor
   */
  public Tensor extraTensor(String name) {
    Tensor tensor = extraTensors.get(name);
    if (tensor == null) {
      throw new NoSuchElementException(
          source + ": expected one of " + extraTensors.keySet() + ", came " + name);
    }
    return tensor;
  }

  /** {@return the source and the number of modules, for messages} */
  @Override
  public String toString() {
    return source + ": " + modules.size() + " modules";
  }

  private Pair find(String suffix) {
    Pair pair = modules.get(module(suffix));
    if (pair == null) {
      throw new NoSuchElementException(suffix);
    }
    return pair;
  }

  private void require(GgufFile file, String key, String expected) throws GgufException {
    Object value = file.value(key);
    if (!(value instanceof GgufFile.Text text && text.text().equals(expected))) {
      throw new GgufException(
          source + ": " + key + ": expected " + expected + ", came " + value, null);
    }
  }

  private float alpha(GgufFile file) throws GgufException {
    Object value = file.value("adapter.lora.alpha");
    if (value == null) {
      return 0;
    }
    if (value instanceof Float alpha && Float.isFinite(alpha)) {
      return alpha;
    }
    throw new GgufException(
        source + ": adapter.lora.alpha: expected a finite f32, came " + value, null);
  }

  private Pair pair(String module, Tensor a, @Nullable Tensor b, float alpha) throws GgufException {
    if (b == null) {
      throw missing(module + SUFFIX_B);
    }
    if (a.dimensions() != 2 || b.dimensions() != 2 || a.dimension(0) != b.dimension(1)) {
      throw new GgufException(
          source
              + ": "
              + module
              + ": expected lora_a [r, d_in] and lora_b [d_out, r], came "
              + Arrays.toString(a.shape())
              + " and "
              + Arrays.toString(b.shape()),
          null);
    }
    if (module.endsWith("token_embd.weight")) {
      throw new GgufException(
          source + ": expected adapters of linear layers, came one of " + module, null);
    }
    try {
      int rank = Math.toIntExact(a.dimension(0));
      AdapterSpec.Builder builder =
          AdapterSpec.lora(Math.toIntExact(a.dimension(1)), Math.toIntExact(b.dimension(0)), rank);
      AdapterSpec spec = (alpha == 0 ? builder.scale(1) : builder.alpha(alpha)).build();
      return new Pair(spec, a, b);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new GgufException(source + ": " + module + ": " + e.getMessage(), e);
    }
  }

  private static String partner(String nameOfB) {
    return nameOfB.substring(0, nameOfB.length() - SUFFIX_B.length()) + SUFFIX_A;
  }

  private GgufException missing(String name) {
    return new GgufException(source + ": expected a tensor " + name + ", came none", null);
  }

  private static Tensor copy(Tensor tensor, Arena arena) {
    Tensor copy = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
    copy.segment().copyFrom(tensor.segment());
    return copy;
  }
}
