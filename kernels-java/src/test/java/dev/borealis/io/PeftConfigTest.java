package dev.borealis.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that others wrote: configs and tensors made by hand. */
class PeftConfigTest {
  private static final String P = "base_model.model.";

  @TempDir Path directory;
  private final Arena arena = Arena.ofConfined();
  private final SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();

  @AfterEach
  void close() {
    arena.close();
  }

  private void put(String name, long... shape) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, shape);
    PeftSamples.fill(tensor, new SplittableRandom(name.hashCode()));
    tensors.put(name, tensor);
  }

  private Tensor tensor(String name) {
    return Objects.requireNonNull(tensors.get(name), name);
  }

  private void lora(String path, int rank) {
    put(P + path + ".lora_A.weight", rank, 4);
    put(P + path + ".lora_B.weight", 3, rank);
  }

  private PeftCheckpoint open(String config) throws IOException {
    Files.writeString(directory.resolve("adapter_config.json"), config);
    SafeTensors.write(directory.resolve("adapter_model.safetensors"), Map.of(), tensors);
    return PeftCheckpoint.open(directory, arena);
  }

  private String refused(String config) {
    return String.valueOf(assertThrows(PeftException.class, () -> open(config)).getMessage());
  }

  /** What a current version of PEFT writes, key for key. */
  private static final String CURRENT =
      """
      {
        "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null,
        "auto_mapping": {"base_model_class": "X", "parent_library": "y"},
        "base_model_name_or_path": "org/model", "bias": "none", "corda_config": null,
        "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null,
        "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
        "kasa_config": null, "layer_replication": null, "layers_pattern": null,
        "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 16, "lora_bias": false,
        "lora_dropout": 0.0, "lora_ga_config": null, "megatron_config": null,
        "megatron_core": "megatron.core", "modules_to_save": null, "monteclora_config": null,
        "peft_type": "LORA", "peft_version": "0.18.0", "qalora_group_size": 16, "r": 4,
        "rank_pattern": {}, "revision": null, "target_modules": ["query"],
        "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null,
        "use_bdlora": null, "use_dora": false, "use_qalora": false, "use_rslora": false,
        "velora_config": null, "some_future_option": null
      }
      """;

  @Test
  void readsWhatPeftWrites() throws IOException {
    lora("encoder.layer.0.attention.self.query", 4);
    PeftCheckpoint checkpoint = open(CURRENT);
    AdapterSpec spec = checkpoint.spec("query");
    assertEquals(4f, spec.scale());
    assertEquals(AdapterSpec.lora(4, 3, 4).build().nonlinearity(), spec.nonlinearity());
    assertEquals(Set.of(Parameter.A, Parameter.B), spec.parameters());
    assertFalse(checkpoint.isDora());
  }

  @Test
  void defaultsArePeftsAndNullIsAbsent() throws IOException {
    lora("q", 8);
    assertEquals(1f, open("{\"peft_type\":\"LORA\"}\n\n").spec("q").scale());
    String nulls = "{\"peft_type\":\"LORA\",\"r\":null,\"lora_alpha\":null,\"rank_pattern\":null}";
    assertEquals(1f, open(nulls).spec("q").scale());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"alora_invocation_tokens\":[1]",
        "\"arrow_config\":{\"top_k\":3}",
        "\"enable_lora\":[true]",
        "\"ensure_weight_tying\":true",
        "\"kasa_config\":{\"beta\":1}",
        "\"layer_replication\":[[0,4]]",
        "\"megatron_config\":{\"a\":1}",
        "\"monteclora_config\":{\"num_samples\":8}",
        "\"target_parameters\":[\"experts\"]",
        "\"trainable_token_indices\":[1]",
        "\"use_bdlora\":{\"nblocks\":2}",
        "\"use_qalora\":true",
        "\"velora_config\":{\"scale\":1.0}",
        "\"init_lora_weights\":\"pissa\"",
        "\"init_lora_weights\":\"pissa_niter_4\"",
        "\"init_lora_weights\":\"olora\"",
        "\"init_lora_weights\":\"corda\"",
        "\"init_lora_weights\":\"loftq\"",
        "\"init_lora_weights\":\"lora_ga\"",
        "\"bias\":\"some\"",
        "\"bias\":true",
        "\"some_future_option\":false",
        "\"some_future_option\":\"x\"",
        "\"r\":\"8\"",
        "\"r\":8.0",
        "\"r\":9",
        "\"r\":99999999999",
        "\"lora_alpha\":\"16\"",
        "\"lora_alpha\":1e60",
        "\"lora_dropout\":1.0",
        "\"lora_dropout\":-0.1",
        "\"lora_dropout\":true",
        "\"use_rslora\":1",
        "\"use_dora\":\"yes\"",
        "\"use_dora\":true",
        "\"lora_bias\":true",
        "\"rank_pattern\":[]",
        "\"rank_pattern\":{\"q\":4}",
        "\"rank_pattern\":{\"q\":8.5}",
        "\"alpha_pattern\":{\"q\":\"4\"}",
        "\"rank_pattern\":{\"q(\":8}",
        "\"rank_pattern\":{\"(?i)q\":8}",
        "\"rank_pattern\":{\"[a&&b]\":8}",
        "\"rank_pattern\":{\"\\\\Q.\":8}",
        "\"method\":\"NORA\"",
        "\"method\":7",
        "\"activation\":\"gelu\"",
        "\"hidden_dropout\":0.5",
        "\"modulation\":true",
        "\"output_gain\":true",
        "\"down_bias\":true",
        "\"static_form\":true",
        "\"input_dropout\":0.5,\"lora_dropout\":0.25",
        "\"lora_alpha\":NaN",
        "\"lora_alpha\":Infinity",
        "\"lora_alpha\":-Infinity",
        "\"r\":8,\"r\":8"
      })
  void refusesWithTheKeysName(String entry) throws IOException {
    lora("q", 8);
    assertEquals(1, open("{\"peft_type\":\"LORA\"}").modules().size());
    String message = refused("{\"peft_type\":\"LORA\"," + entry + "}");
    String key = entry.substring(1, entry.indexOf('"', 1));
    // A rank that doesn't fit is the module's fault; malformed JSON is named by its byte.
    String word =
        switch (key) {
          case "r" -> entry.equals("\"r\":9") ? "rank 9" : "\"r\"";
          case "lora_alpha" ->
              entry.contains("e60") ? "scale" : entry.contains("\"16\"") ? key : "byte";
          case "lora_dropout" -> entry.contains("true") ? key : "inputDropout";
          case "use_dora" -> entry.contains("yes") ? key : "lora_magnitude_vector";
          case "lora_bias" -> "lora_B.bias";
          case "rank_pattern" -> entry.contains(":4}") ? "rank 4" : key;
          case "hidden_dropout", "modulation", "output_gain", "down_bias" -> "peft_type";
          case "static_form" -> "static form";
          default -> key;
        };
    assertTrue(message.contains(word), message);
    assertTrue(message.contains(directory.toString()), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "null",
        "{}",
        "{\"peft_type\":null}",
        "{\"peft_type\":\"ADALORA\"}",
        "{\"peft_type\":\"lora\"}",
        "{\"peft_type\":\"LORA\"} x",
        "{\"peft_type\":\"LORA\",}",
        "\ufeff{\"peft_type\":\"LORA\"}"
      })
  void refusesWhatIsNoConfig(String config) {
    lora("q", 8);
    String message = refused(config);
    assertTrue(message.contains("adapter_config.json: "), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"init_lora_weights\":false",
        "\"init_lora_weights\":\"gaussian\"",
        "\"init_lora_weights\":\"eva\",\"eva_config\":{\"rho\":2.0}",
        "\"init_lora_weights\":\"orthogonal\"",
        "\"bias\":\"all\"",
        "\"bias\":\"lora_only\"",
        "\"target_modules\":\".*q\"",
        "\"target_modules\":\"all-linear\"",
        "\"layers_to_transform\":[0,1],\"layers_pattern\":\"layers\"",
        "\"loftq_config\":{\"loftq_bits\":4}",
        "\"runtime_config\":{\"ephemeral_gpu_offload\":true}",
        "\"use_qalora\":false,\"qalora_group_size\":32",
        "\"inference_mode\":false",
        "\"layer_replication\":[]",
        "\"fan_in_fan_out\":true",
        "\"method\":\"LORA\",\"activation\":\"identity\",\"hidden_dropout\":0.0,\"spline_order\":3"
      })
  void acceptsWhatChangesNothing(String entry) throws IOException {
    lora("q", 8);
    PeftSamples.assertSameSpec(
        AdapterSpec.lora(4, 3, 8).build(),
        open("{\"peft_type\":\"LORA\"," + entry + "}").spec("q"));
  }

  /** PEFT: the first key for which re.match("(.*\\.)?(key)$", path) says yes. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      value = {
        "{\"q\":2}                       ~ model.layers.0.q  ~ 2",
        "{\"q\":2}                       ~ q                 ~ 2",
        "{\"q\":2}                       ~ model.layers.0.qq ~ 8",
        "{\"q\":2}                       ~ q.dense           ~ 8",
        "{\"layers.0.q\":2}              ~ model.layers.0.q  ~ 2",
        "{\"layers.0.q\":2}              ~ model.xlayers.0.q ~ 8",
        "{\"layers.0.q\":2}              ~ model.layers.10.q ~ 8",
        "{\"layers.1.q\":2}              ~ model.layers_1.q  ~ 2",
        "{\"^model.layers.0.q\":2}       ~ model.layers.0.q  ~ 2",
        "{\"^layers.0.q\":2}             ~ model.layers.0.q  ~ 8",
        "{\"layers\\\\.[0-3]\\\\.q\":2}  ~ model.layers.3.q  ~ 2",
        "{\"layers\\\\.[0-3]\\\\.q\":2}  ~ model.layers.4.q  ~ 8",
        "{\"q|k\":2}                     ~ model.layers.0.k  ~ 2",
        "{\".*\":2}                      ~ model.layers.0.k  ~ 2",
        "{\".*\\\\.\\\\d+\\\\.q\":2}     ~ model.layers.0.q  ~ 2",
        "{\"model\":2}                   ~ model.layers.0.q  ~ 8",
        "{\"q\":2,\"0.q\":3}             ~ model.layers.0.q  ~ 2",
        "{\"0.q\":3,\"q\":2}             ~ model.layers.0.q  ~ 3",
        "{\"zzz\":2,\"q\":3}             ~ model.layers.0.q  ~ 3"
      })
  void patternsResolveAsInPeft(String pattern, String path, int rank) throws IOException {
    lora(path, rank);
    String ranks = "{\"peft_type\":\"LORA\",\"rank_pattern\":" + pattern;
    assertEquals(16f / rank, open(ranks + ",\"lora_alpha\":16}").spec(path).scale());
    // And alphas by the same rule.
    lora(path, 8);
    String alphas = "{\"peft_type\":\"LORA\",\"alpha_pattern\":" + pattern;
    assertEquals(rank / 8f, open(alphas + ",\"lora_alpha\":8}").spec(path).scale());
  }

  @Test
  void rankStabilisedScalesByTheRootOfThePatternsRank() throws IOException {
    lora("a.q", 2);
    lora("a.k", 8);
    PeftCheckpoint checkpoint =
        open(
            "{\"peft_type\":\"LORA\",\"use_rslora\":true,\"lora_alpha\":3,"
                + "\"rank_pattern\":{\"q\":2}}");
    assertEquals((float) (3 / Math.sqrt(2)), checkpoint.spec("q").scale());
    assertEquals((float) (3 / Math.sqrt(8)), checkpoint.spec("k").scale());
  }

  @Test
  void aPatternThatWouldTakeForeverIsRefused() {
    lora("a".repeat(60) + "!", 8);
    String message = refused("{\"peft_type\":\"LORA\",\"rank_pattern\":{\"a*a*a*a*a*a*a*a*b\":8}}");
    assertTrue(message.contains("reasonable time"), message);
  }

  @Test
  void deepRecursionStaysWithinTheStack() throws IOException {
    String path = "ab".repeat(PeftPattern.MAX_LENGTH / 2);
    lora(path, 8);
    String config = "{\"peft_type\":\"LORA\",\"rank_pattern\":{\"((((a|b)|c)|d)+)\":8}}";
    assertEquals(8, open(config).spec(path).rank());
    lora(path + "c", 8);
    assertTrue(refused(config).contains("500 characters"));
  }

  @Test
  void findsModulesByTheEndOfTheirPath() throws IOException {
    lora("encoder.layer.0.attention.query", 8);
    lora("encoder.layer.1.attention.query", 8);
    lora("query", 8);
    lora("xquery", 8);
    PeftCheckpoint checkpoint = open("{\"peft_type\":\"LORA\"}");
    assertEquals("encoder.layer.0.attention.query", checkpoint.module("layer.0.attention.query"));
    assertEquals("query", checkpoint.module("query"), "a whole path wins");
    String message =
        String.valueOf(
            assertThrows(IllegalArgumentException.class, () -> checkpoint.module("attention.query"))
                .getMessage());
    assertTrue(message.contains("encoder.layer.0.attention.query"), message);
    assertTrue(message.contains("encoder.layer.1.attention.query"), message);
    assertThrows(NoSuchElementException.class, () -> checkpoint.spec("uery"));
    assertThrows(NoSuchElementException.class, () -> checkpoint.weights("", arena));
  }

  @Test
  void missingAndForeignFilesAreNamed() throws IOException {
    lora("q", 8);
    Path config = directory.resolve("adapter_config.json");
    Path weights = directory.resolve("adapter_model.safetensors");
    assertEquals(1, open("{\"peft_type\":\"LORA\"}").modules().size());
    Files.write(weights, List.of("cut"));
    String cut =
        String.valueOf(
            assertThrows(SafeTensorsException.class, () -> PeftCheckpoint.open(directory, arena))
                .getMessage());
    assertTrue(cut.contains("adapter_model.safetensors"), cut);
    Files.delete(weights);
    assertMissing("adapter_model.safetensors");
    Files.writeString(directory.resolve("adapter_model.bin"), "pickle");
    assertMissing("pickle");
    Files.delete(config);
    assertMissing("adapter_config.json");
  }

  private void assertMissing(String word) {
    String message =
        String.valueOf(
            assertThrows(PeftException.class, () -> PeftCheckpoint.open(directory, arena))
                .getMessage());
    assertTrue(message.contains(word), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "base_model.model.q.lora_embedding_A",
        "base_model.model.q.lora_A.default.weight",
        "base_model.model.q.lora_diag",
        "base_model.model.q.lora_A.bias",
        "base_model.model.q.lora_v",
        "base_model.model.q.lora_H.weight",
        "base_model.model.q.lora_magnitude_vector",
        "base_model.model.q.weight_a",
        "q.lora_A.weight",
        "base_model.model.k.lora_A.weight",
        "base_model.model.k.lora_B.weight",
        "base_model.model.k.lora_B.bias"
      })
  void adapterTensorsThatDontFitAreRefused(String name) {
    lora("q", 8);
    put(name, 8, 4);
    String message = refused("{\"peft_type\":\"LORA\"}");
    assertTrue(message.contains("lora_") && message.contains("safetensors"), message);
  }

  @Test
  void wrongShapesAndTypesAreRefused() throws IOException {
    lora("q", 8);
    put(P + "q.lora_A.weight", 8, 4, 1);
    assertTrue(refused("{\"peft_type\":\"LORA\"}").contains("2 dimensions"));
    lora("q", 8);
    put(P + "q.lora_B.bias", 4);
    assertTrue(refused("{\"peft_type\":\"LORA\",\"lora_bias\":true}").contains("lora_B.bias"));
    tensors.clear();
    assertTrue(refused("{\"peft_type\":\"LORA\"}").contains("came none"));
  }

  @Test
  void tensorsOfNoAdapterAreListed() throws IOException {
    lora("q", 8);
    put(P + "classifier.weight", 2, 3);
    put(P + "q.base_layer.bias", 3);
    PeftCheckpoint checkpoint =
        open(
            "{\"peft_type\":\"LORA\",\"bias\":\"lora_only\",\"modules_to_save\":[\"classifier\"]}");
    assertEquals(
        List.of(P + "classifier.weight", P + "q.base_layer.bias"),
        List.copyOf(checkpoint.extraTensors()));
    assertArrayEquals(new long[] {2, 3}, checkpoint.extraTensor(P + "classifier.weight").shape());
    assertThrows(NoSuchElementException.class, () -> checkpoint.extraTensor(P + "q.lora_A.weight"));
  }

  @Test
  void peftsBiasIsInsideOfTheScale() throws IOException {
    lora("q", 8);
    tensors.put(P + "q.lora_B.bias", Tensor.of(new float[] {1, -2, 0.5f}, 3));
    AdapterWeights weights =
        open("{\"peft_type\":\"LORA\",\"lora_bias\":true,\"lora_alpha\":24}").weights("q", arena);
    Tensor bias = weights.get(Parameter.B_BIAS);
    assertEquals(List.of(3f, -6f, 1.5f), List.of(bias.get(0, 0), bias.get(0, 1), bias.get(0, 2)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"lora_magnitude_vector", "lora_magnitude_vector.weight"})
  void dorasGainNeedsTheBaseWeights(String name) throws IOException {
    lora("q", 8);
    put(P + "q." + name, 3);
    PeftCheckpoint checkpoint = open("{\"peft_type\":\"LORA\",\"use_dora\":true,\"lora_alpha\":4}");
    assertTrue(checkpoint.isDora());
    assertThrows(IllegalArgumentException.class, () -> checkpoint.weights("q", arena));
    Tensor w0 = Tensor.allocate(arena, DType.F32, 3, 4);
    PeftSamples.fill(w0, new SplittableRandom(4));
    AdapterWeights weights = checkpoint.weights("q", w0, arena);
    Tensor a = tensor(P + "q.lora_A.weight");
    Tensor b = tensor(P + "q.lora_B.weight");
    Tensor m = tensor(P + "q." + name);
    for (int o = 0; o < 3; o++) {
      // ‖W0‖² + 2s (W0 Aᵀ) ⊙ B + s² (B (A Aᵀ)) ⊙ B, row sums.
      double s = 0.5;
      double square = 0;
      for (int i = 0; i < 4; i++) {
        square += (double) w0.get(o, i) * w0.get(o, i);
      }
      for (int k = 0; k < 8; k++) {
        for (int i = 0; i < 4; i++) {
          square += 2 * s * w0.get(o, i) * a.get(k, i) * b.get(o, k);
          for (int l = 0; l < 8; l++) {
            square += s * s * (double) b.get(o, l) * a.get(l, i) * a.get(k, i) * b.get(o, k);
          }
        }
      }
      double expected = m.get(0, o) / Math.sqrt(square);
      assertEquals(expected, weights.get(Parameter.GAIN).get(0, o), 1e-6 * Math.abs(expected));
    }
    assertEquals(m.get(0, 1), checkpoint.magnitude("q").get(0, 1));
    Tensor transposed = Tensor.allocate(arena, DType.F32, 4, 3);
    assertThrows(IllegalArgumentException.class, () -> checkpoint.gain("q", transposed, arena));
  }

  @Test
  void readsTheAliasesOfAPublicAurora() throws IOException {
    put(P + "q.weight_a", 2, 4);
    put(P + "q.weight_b", 3, 2);
    put(P + "q.weight_ab_mixer", 2, 2);
    put(P + "q.weight_a_spline", 2, 8);
    AdapterWeights weights =
        open("{\"peft_type\":\"AURORA\",\"r\":2,\"lora_alpha\":4}").weights("q", arena);
    PeftSamples.assertSameSpec(AdapterSpec.aurora(4, 3, 2).alpha(4).build(), weights.spec());
    assertEquals(tensor(P + "q.weight_ab_mixer").get(1, 0), weights.get(Parameter.H).get(1, 0));
    assertEquals(
        tensor(P + "q.weight_a_spline").get(1, 7), weights.get(Parameter.SPLINE).get(1, 7));
  }

  @Test
  void readsTheSameAliasAsMosLorasMixer() throws IOException {
    put(P + "q.weight_a", 2, 4);
    put(P + "q.weight_b", 3, 2);
    put(P + "q.weight_ab_mixer", 2, 2);
    AdapterWeights weights = open("{\"peft_type\":\"MOSLORA\",\"r\":2}").weights("q", arena);
    assertEquals(tensor(P + "q.weight_ab_mixer").get(1, 0), weights.get(Parameter.MIXER).get(1, 0));
  }

  @Test
  void swiGluHasTwiceTheRows() throws IOException {
    put(P + "q.lora_A.weight", 4, 4);
    put(P + "q.lora_B.weight", 3, 2);
    String config = "{\"peft_type\":\"NORA\",\"method\":\"NORA_SWIGLU\",\"r\":2}";
    assertEquals(new Nonlinearity.SwiGlu(), open(config).spec("q").nonlinearity());
    assertTrue(refused("{\"peft_type\":\"NORA\",\"r\":2}").contains("rank 2"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"spline_order\":2",
        "\"grid_size\":0",
        "\"grid_min\":2.0",
        "\"spline_mode\":\"sum\"",
        "\"activation\":\"gelu\"",
        "\"fixed\":false,\"learnable\":false",
        "\"hidden_dropout_mode\":\"BOTH\"",
        "\"use_dora\":true",
        "\"modulation\":true"
      })
  void refusesWhatAuroraHasNot(String entry) {
    put(P + "q.lora_A.weight", 2, 4);
    put(P + "q.lora_B.weight", 3, 2);
    put(P + "q.lora_H.weight", 2, 2);
    put(P + "q.lora_spline.weight", 2, 8);
    assertEquals(2, tensor(P + "q.lora_H.weight").rows());
    assertFalse(refused("{\"peft_type\":\"AURORA\",\"r\":2," + entry + "}").isEmpty());
  }
}
