package dev.borealis.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@SuppressWarnings("ByteBufferBackingArray") // GgufBytes allocates them
class GgufAdapterTest {
  private static final int MUTANTS = 40_000;
  private static final String Q = "blk.0.attn_q.weight";

  /** A [2, 3] and B [4, 2], counting up. */
  private static GgufBytes pair(GgufBytes file, String name) {
    return file.tensor(name + ".lora_a", new float[] {1, 2, 3, 4, 5, 6}, 3, 2)
        .tensor(name + ".lora_b", new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 4);
  }

  private static GgufAdapter read(GgufBytes file) throws GgufException {
    return GgufAdapter.of(MemorySegment.ofArray(file.bytes()));
  }

  private static String refused(GgufBytes file) {
    return String.valueOf(assertThrows(GgufException.class, () -> read(file)).getMessage());
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void readsPairsWithTheFastestDimensionFirst(int version) throws IOException {
    GgufBytes file = pair(GgufBytes.lora().alpha(6), Q);
    file.version = version;
    GgufAdapter adapter = read(file);
    assertEquals(List.of(Q), List.copyOf(adapter.modules()));
    assertEquals("llama", adapter.architecture());
    assertEquals(Q, adapter.module("attn_q.weight"));
    PeftSamples.assertSameSpec(AdapterSpec.lora(3, 4, 2).alpha(6).build(), adapter.spec(Q));
    try (Arena arena = Arena.ofConfined()) {
      AdapterWeights weights = adapter.weights(Q, arena);
      assertEquals(4, weights.get(Parameter.A).get(1, 0));
      assertEquals(3, weights.get(Parameter.A).get(0, 2));
      assertEquals(7, weights.get(Parameter.B).get(3, 0));
      weights.get(Parameter.A).set(0, 0, 9);
      assertEquals(1, adapter.weights(Q, arena).get(Parameter.A).get(0, 0));
    }
    assertThrows(NoSuchElementException.class, () -> adapter.spec("attn_k.weight"));
  }

  @Test
  void mapsFilesAndNamesThem(@TempDir Path directory) throws IOException {
    Path path = directory.resolve("lora.gguf");
    byte[] bytes = pair(GgufBytes.lora().alpha(6), Q).bytes();
    Files.write(path, bytes);
    try (Arena arena = Arena.ofConfined()) {
      assertEquals(3f, GgufAdapter.open(path, arena).spec(Q).scale());
      Files.write(path, Arrays.copyOf(bytes, bytes.length - 1));
      GgufException e = assertThrows(GgufException.class, () -> GgufAdapter.open(path, arena));
      assertTrue(String.valueOf(e.getMessage()).startsWith(path.toString()), e.getMessage());
    }
  }

  @Test
  void withoutAlphaTheScaleIsOne() throws IOException {
    assertEquals(1f, read(pair(GgufBytes.lora(), Q)).spec(Q).scale());
    assertEquals(1f, read(pair(GgufBytes.lora().alpha(0), Q)).spec(Q).scale());
  }

  @Test
  void readsHalfTypesAlignmentOtherValuesAndPadding() throws IOException {
    byte[] ones = {0, 0x3c, 0, 0x3c};
    byte[] strings = GgufBytes.number(12 + 9).putInt(GgufBytes.STRING).putLong(1).array();
    strings[12] = 1;
    strings[20] = 'x';
    byte[] numbers = GgufBytes.number(12 + 6).putInt(2).putLong(3).array();
    GgufBytes file =
        GgufBytes.lora()
            .align(8)
            .value("a", GgufBytes.ARRAY, strings)
            .value("b", GgufBytes.ARRAY, numbers)
            .value("c", 7, new byte[] {1})
            .value("d", 12, new byte[8])
            .text("adapter.lora.task_name", "é")
            .tensor("x.lora_a", 1, ones, 2, 1)
            .tensor("x.lora_b", 30, new byte[] {(byte) 0x80, 0x3f}, 1, 1)
            .tensor("output_norm.weight", new float[] {5}, 1)
            .after(new byte[4]);
    GgufAdapter adapter = read(file);
    try (Arena arena = Arena.ofConfined()) {
      AdapterWeights weights = adapter.weights("x", arena);
      assertEquals(DType.F16, weights.get(Parameter.A).dtype());
      assertEquals(1, weights.get(Parameter.A).get(0, 1));
      assertEquals(DType.BF16, weights.get(Parameter.B).dtype());
      assertEquals(1, weights.get(Parameter.B).get(0, 0));
    }
    assertEquals(List.of("output_norm.weight"), List.copyOf(adapter.extraTensors()));
    assertEquals(5, adapter.extraTensor("output_norm.weight").get(0, 0));
    assertThrows(NoSuchElementException.class, () -> adapter.extraTensor("x.lora_a"));
  }

  static Stream<Arguments> malformed() {
    GgufBytes bigEndian = pair(GgufBytes.lora(), Q);
    bigEndian.version = 3 << 24;
    GgufBytes old = pair(GgufBytes.lora(), Q);
    old.version = 1;
    GgufBytes ggml = pair(GgufBytes.lora(), Q);
    ggml.magic = 0x67676d6c;
    byte[] four = new byte[4];
    return Stream.of(
        Arguments.of("magic", ggml),
        Arguments.of("expected 2 or 3, came 1", old),
        Arguments.of("big-endian", bigEndian),
        Arguments.of("general.type", pair(new GgufBytes().text("adapter.type", "lora"), Q)),
        Arguments.of("general.type", pair(new GgufBytes().text("general.type", "model"), Q)),
        Arguments.of("adapter.type", pair(new GgufBytes().text("general.type", "adapter"), Q)),
        Arguments.of(
            "adapter.alora.invocation_tokens",
            pair(GgufBytes.lora().text("adapter.alora.invocation_tokens", ""), Q)),
        Arguments.of("adapter.lora.alpha", pair(GgufBytes.lora().alpha(Float.NaN), Q)),
        Arguments.of(
            "adapter.lora.alpha", pair(GgufBytes.lora().text("adapter.lora.alpha", "6"), Q)),
        Arguments.of("twice", pair(GgufBytes.lora().text("adapter.type", "lora"), Q)),
        Arguments.of("twice", pair(pair(GgufBytes.lora(), Q), Q)),
        Arguments.of("power of two", pair(GgufBytes.lora().align(24), Q)),
        Arguments.of("power of two", pair(GgufBytes.lora().text("general.alignment", "32"), Q)),
        Arguments.of("boolean", pair(GgufBytes.lora().value("b", 7, new byte[] {2}), Q)),
        Arguments.of("type of value", pair(GgufBytes.lora().value("b", 13, four), Q)),
        Arguments.of(
            "arrays",
            pair(
                GgufBytes.lora()
                    .value(
                        "b", GgufBytes.ARRAY, GgufBytes.number(12).putInt(GgufBytes.ARRAY).array()),
                Q)),
        Arguments.of("Q8_0", pair(GgufBytes.lora(), Q).tensor("x", 8, new byte[34], 32)),
        Arguments.of("type 99", pair(GgufBytes.lora(), Q).tensor("x", 99, four, 1)),
        Arguments.of(".lora_b, came none", GgufBytes.lora().tensor("x.lora_a", new float[1], 1, 1)),
        Arguments.of(".lora_a, came none", GgufBytes.lora().tensor("x.lora_b", new float[1], 1, 1)),
        Arguments.of("lora_a, came none", GgufBytes.lora()),
        Arguments.of(
            "[r, d_in]",
            GgufBytes.lora()
                .tensor("x.lora_a", new float[2], 1, 2)
                .tensor("x.lora_b", new float[3], 3, 1)),
        Arguments.of(
            "[r, d_in]",
            GgufBytes.lora()
                .tensor("x.lora_a", new float[2], 1, 1, 2)
                .tensor("x.lora_b", new float[2], 1, 1, 2)),
        Arguments.of("linear", pair(GgufBytes.lora(), "token_embd.weight")),
        Arguments.of("dimensions", GgufBytes.lora().tensor("x.lora_a", 0, four)),
        Arguments.of("dimensions", GgufBytes.lora().tensor("x.lora_a", 0, four, 1, 1, 1, 1)),
        Arguments.of("dimensions", GgufBytes.lora().tensor("x.lora_a", 0, four, 0, 1)),
        Arguments.of("size", GgufBytes.lora().tensor("x.lora_a", 0, four, 1L << 62, 4)),
        Arguments.of("size", GgufBytes.lora().tensor("x.lora_a", 0, four, -1, 1)),
        Arguments.of("offset 32", overlap(0)),
        Arguments.of("offset 32", overlap(16)),
        Arguments.of("offset 32", overlap(64)),
        Arguments.of("offset 32", overlap(-32)),
        Arguments.of("padding", pair(GgufBytes.lora(), Q).after(new byte[32])),
        Arguments.of("number of tensors", pair(GgufBytes.lora(), Q).claim(1L << 40, 3)),
        Arguments.of("number of tensors", pair(GgufBytes.lora(), Q).claim(-1, 3)),
        Arguments.of("number of values", pair(GgufBytes.lora(), Q).claim(2, Long.MAX_VALUE)),
        Arguments.of(
            "bytes", pair(GgufBytes.lora().value("s", GgufBytes.STRING, text(Long.MAX_VALUE)), Q)),
        Arguments.of("UTF-8", pair(GgufBytes.lora().value("s", GgufBytes.STRING, badText()), Q)),
        Arguments.of(
            "elements",
            pair(
                GgufBytes.lora()
                    .value(
                        "s",
                        GgufBytes.ARRAY,
                        GgufBytes.number(12).putInt(12).putLong(1L << 61).array()),
                Q)));
  }

  private static byte[] text(long length) {
    return GgufBytes.number(8).putLong(length).array();
  }

  private static byte[] badText() {
    return GgufBytes.number(9).putLong(1).put((byte) 0xff).array();
  }

  private static GgufBytes overlap(long offset) {
    return GgufBytes.lora()
        .tensor("x.lora_a", new float[2], 2, 1)
        .tensorAt("x.lora_b", 0, offset, new byte[64], 1, 2);
  }

  @ParameterizedTest(name = "{index} {0}")
  @MethodSource("malformed")
  void malformedFilesAreRefused(String word, GgufBytes file) {
    String message = refused(file);
    assertTrue(message.contains(word), message);
    assertTrue(message.startsWith("GGUF in memory: "), message);
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] whole = pair(GgufBytes.lora().alpha(6), Q).bytes();
    for (int length = 0; length < whole.length; length++) {
      MemorySegment cut = MemorySegment.ofArray(Arrays.copyOf(whole, length));
      assertThrows(GgufException.class, () -> GgufAdapter.of(cut), "cut to " + length);
    }
  }

  @Test
  void mutatedFilesOpenConsistentlyOrAreRefused() {
    SplittableRandom random = new SplittableRandom(20_260_101);
    byte[][] seeds = {
      pair(GgufBytes.lora().alpha(6), Q).bytes(),
      pair(pair(GgufBytes.lora().align(8), "a"), "b").tensor("c", new float[3], 3).bytes()
    };
    int opened = 0;
    int refused = 0;
    try (Arena arena = Arena.ofConfined()) {
      for (int i = 0; i < MUTANTS; i++) {
        byte[] mutant = mutate(seeds[i % seeds.length], random);
        try {
          GgufAdapter adapter = GgufAdapter.of(MemorySegment.ofArray(mutant));
          long bytes = 0;
          for (String module : adapter.modules()) {
            AdapterWeights weights = adapter.weights(module, arena);
            for (Parameter parameter : weights.parameters()) {
              Tensor tensor = weights.get(parameter);
              bytes += tensor.segment().byteSize();
            }
          }
          assertTrue(bytes > 0 && bytes <= mutant.length);
          opened++;
        } catch (GgufException e) {
          assertTrue(String.valueOf(e.getMessage()).startsWith("GGUF in memory: "));
          refused++;
        }
      }
    }
    System.out.println(
        "GGUF: " + MUTANTS + " mutants, " + opened + " opened, " + refused + " refused");
    assertEquals(MUTANTS, opened + refused);
    assertTrue(opened > MUTANTS / 100 && refused > MUTANTS / 4, opened + " of " + MUTANTS);
  }

  private static byte[] mutate(byte[] seed, SplittableRandom random) {
    byte[] bytes = seed.clone();
    for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(6)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at]++;
        case 3 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 8), (byte) 0xff);
        case 4 -> {
          int from = random.nextInt(bytes.length);
          int length = Math.min(8, bytes.length - Math.max(from, at));
          System.arraycopy(seed, Math.min(from, seed.length - length), bytes, at, length);
        }
        default -> {
          if (random.nextInt(4) == 0) {
            bytes = Arrays.copyOf(bytes, 1 + random.nextInt(bytes.length + 8));
          }
        }
      }
    }
    return bytes;
  }
}
