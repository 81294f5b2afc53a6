package dev.borealis.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.internal.json.JsonReader;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PeftRoundTripTest {
  @TempDir Path directory;

  static List<AdapterSpec.Builder> methods() {
    return List.of(
        AdapterSpec.lora(9, 7, 3).alpha(10),
        AdapterSpec.lora(9, 7, 3).alpha(-0.3).upBias().inputDropout(0.05),
        AdapterSpec.lora(9, 7, 1).scale(1).upBias(),
        AdapterSpec.lora(9, 7, 8).alpha(16).rankStabilised(),
        AdapterSpec.lora(9, 7, 4).scale(0),
        AdapterSpec.lora(9, 7, 4).scale(-0.0),
        AdapterSpec.lora(9, 7, 4).scale(Float.MIN_VALUE),
        AdapterSpec.lora(9, 7, 4).scale(Float.MAX_VALUE),
        AdapterSpec.lora(9, 7, 4).modulation().gain().downBias().upBias(),
        AdapterSpec.lora(9, 7, 4).hiddenDropout(0.1, HiddenDropoutMode.UNIT),
        AdapterSpec.mosLora(9, 7, 3),
        AdapterSpec.aurora(9, 7, 2).alpha(4),
        AdapterSpec.aurora(9, 7, 2).spline(SplineMode.CHANNEL).staticForm(),
        AdapterSpec.aurora(9, 7, 3).spline(SplineMode.FULL).grid(new SplineGrid(8, -2, 1.3)),
        AdapterSpec.aurora(9, 7, 3).activation(Activation.SIGMOID).terms(true, false),
        AdapterSpec.aurora(9, 7, 3).activation(Activation.LEAKY_RELU).terms(false, true),
        AdapterSpec.aurora(9, 7, 3).modulation().gain(),
        AdapterSpec.nora(9, 7, 5).inputDropout(0.1).hiddenDropout(0.3, HiddenDropoutMode.ELEMENT),
        AdapterSpec.nora(9, 7, 5).downBias().gain(),
        AdapterSpec.noraSwiGlu(9, 7, 5),
        AdapterSpec.noLora(9, 7, 5),
        AdapterSpec.lora(9, 7, 5).nonlinearity(new Nonlinearity.Swish()),
        AdapterSpec.noLora(9, 7, 5, Activation.IDENTITY),
        AdapterSpec.noLora(9, 7, 5, Activation.GELU_TANH),
        AdapterSpec.noLora(9, 7, 5, Activation.SILU),
        AdapterSpec.lora(9, 7, 5).nonlinearity(new Nonlinearity.Pointwise(Activation.RELU)));
  }

  @ParameterizedTest
  @MethodSource("methods")
  void whatIsSavedComesBackToTheBit(AdapterSpec.Builder builder) throws IOException {
    AdapterSpec spec = builder.build();
    for (DType type : DType.values()) {
      try (Arena arena = Arena.ofConfined()) {
        AdapterWeights weights = PeftSamples.weights(spec, type, 5, arena);
        PeftCheckpoint.save(directory, modules("m.n", weights));
        PeftCheckpoint checkpoint = PeftCheckpoint.open(directory, arena);
        PeftSamples.assertSameSpec(spec, checkpoint.spec("n"));
        AdapterWeights loaded = checkpoint.weights("n", arena);
        PeftSamples.assertSameWeights(weights, loaded);
        assertArrayEquals(PeftSamples.output(weights), PeftSamples.output(loaded));
        assertTrue(checkpoint.extraTensors().isEmpty());
        Map<String, byte[]> first = files();
        PeftCheckpoint.save(directory, modules("m.n", loaded));
        Map<String, byte[]> second = files();
        assertEquals(first.keySet(), second.keySet());
        assertArrayEquals(first.get("adapter_config.json"), second.get("adapter_config.json"));
      }
    }
  }

  @Test
  void everyAlphaRankAndBiasComesBack() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    try (Arena arena = Arena.ofConfined()) {
      SequencedMap<String, AdapterWeights> modules = new LinkedHashMap<>();
      for (int i = 0; i < 200; i++) {
        int rank = 1 + random.nextInt(40);
        AdapterSpec.Builder builder = AdapterSpec.lora(3, 17, rank).upBias();
        if (random.nextBoolean()) {
          builder.alpha(random.nextInt(1, 65));
        } else {
          builder.scale((float) Math.scalb(random.nextDouble(1, 2), random.nextInt(-40, 40)));
        }
        modules.put(
            "layers." + i + (i % 2 == 0 ? ".a.b" : ".a+b"),
            PeftSamples.weights(builder.build(), DType.F32, i, arena));
      }
      PeftCheckpoint.save(directory, modules);
      PeftCheckpoint checkpoint = PeftCheckpoint.open(directory, arena);
      assertEquals(modules.sequencedKeySet(), checkpoint.modules());
      modules.forEach((path, weights) -> {
        PeftSamples.assertSameSpec(weights.spec(), checkpoint.spec(path));
        PeftSamples.assertSameWeights(weights, checkpoint.weights(path, arena));
      });
    }
  }

  /** Names, shapes, keys and values as PEFT documents them. */
  @Test
  void aLoraIsWhatPeftLoads() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      SequencedMap<String, AdapterWeights> modules = new LinkedHashMap<>();
      AdapterSpec query = AdapterSpec.lora(6, 4, 2).alpha(4).inputDropout(0.05).build();
      AdapterSpec value = AdapterSpec.lora(6, 4, 3).alpha(4).inputDropout(0.05).build();
      modules.put("encoder.layer.0.attention.self.query", weights(query, arena));
      modules.put("encoder.layer.0.attention.self.value", weights(value, arena));
      modules.put("encoder.layer.1.attention.self.query", weights(query, arena));
      PeftCheckpoint.save(directory, modules, "org/model");
      SafeTensors file = SafeTensors.open(directory.resolve("adapter_model.safetensors"), arena);
      assertEquals(Map.of("format", "pt"), file.metadata());
      assertEquals(
          List.of(
              "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight F32[2, 6]",
              "base_model.model.encoder.layer.0.attention.self.query.lora_B.weight F32[4, 2]",
              "base_model.model.encoder.layer.0.attention.self.value.lora_A.weight F32[3, 6]",
              "base_model.model.encoder.layer.0.attention.self.value.lora_B.weight F32[4, 3]",
              "base_model.model.encoder.layer.1.attention.self.query.lora_A.weight F32[2, 6]",
              "base_model.model.encoder.layer.1.attention.self.query.lora_B.weight F32[4, 2]"),
          file.names().stream().map(name -> name + " " + file.entry(name)).toList());
    }
    assertEquals(
        """
        {
          "alpha_pattern": {},
          "auto_mapping": null,
          "base_model_name_or_path": "org/model",
          "bias": "none",
          "fan_in_fan_out": false,
          "inference_mode": true,
          "init_lora_weights": true,
          "layers_pattern": null,
          "layers_to_transform": null,
          "lora_alpha": 4,
          "lora_dropout": 0.05,
          "modules_to_save": null,
          "peft_type": "LORA",
          "r": 2,
          "rank_pattern": {
            "^encoder\\\\.layer\\\\.0\\\\.attention\\\\.self\\\\.value": 3
          },
          "revision": null,
          "target_modules": [
            "encoder.layer.0.attention.self.query",
            "encoder.layer.0.attention.self.value",
            "encoder.layer.1.attention.self.query"
          ],
          "task_type": null,
          "use_rslora": false
        }\
        """
            .trim(),
        Files.readString(directory.resolve("adapter_config.json")));
  }

  @Test
  void anAuroraHasTheDocumentedNamesAndKeys() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      AdapterSpec spec = AdapterSpec.aurora(6, 4, 2).alpha(4).staticForm().build();
      PeftCheckpoint.save(directory, modules("q", weights(spec, arena)));
      SafeTensors file = SafeTensors.open(directory.resolve("adapter_model.safetensors"), arena);
      assertEquals(
          "[lora_A.weight, lora_H.weight, lora_spline.weight, lora_B.weight]",
          file.names().stream()
              .map(name -> name.substring("base_model.model.q.".length()))
              .collect(Collectors.toList())
              .toString());
    }
    Object json = JsonReader.read(Files.readAllBytes(directory.resolve("adapter_config.json")));
    Map<?, ?> config = assertInstanceOf(Map.class, json);
    Map<String, Object> expected = new LinkedHashMap<>();
    expected.put("peft_type", "AURORA");
    expected.put("method", "AURORA");
    expected.put("activation", "tanh");
    expected.put("fixed", true);
    expected.put("learnable", true);
    expected.put("spline_mode", "SUM");
    expected.put("spline_order", 3L);
    expected.put("grid_size", 5L);
    expected.put("grid_min", -1.0);
    expected.put("grid_max", 1.0);
    expected.put("input_dropout", 0.0);
    expected.put("lora_dropout", 0.0);
    expected.put("hidden_dropout", 0.0);
    expected.put("hidden_dropout_mode", "ELEMENT");
    expected.put("static_form", true);
    expected.put("modulation", false);
    expected.put("output_gain", false);
    expected.put("down_bias", false);
    expected.put("r", 2L);
    expected.put("lora_alpha", 4L);
    expected.forEach((key, value) -> assertEquals(value, config.get(key), key));
  }

  @Test
  void refusesWhatACheckpointCannotSayAndLeavesTheOldOne() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      AdapterWeights lora = weights(AdapterSpec.lora(3, 3, 2).build(), arena);
      PeftCheckpoint.save(directory, modules("a", lora));
      Map<String, byte[]> before = files();
      SequencedMap<String, AdapterWeights> mixed = modules("a", lora);
      mixed.put("b", weights(AdapterSpec.nora(3, 3, 2).build(), arena));
      AdapterSpec silent = AdapterSpec.lora(3, 3, 2).scale(0).upBias().build();
      for (SequencedMap<String, AdapterWeights> bad :
          List.of(
              new LinkedHashMap<String, AdapterWeights>(),
              mixed,
              modules("s", weights(silent, arena)),
              modules("", lora),
              modules("a..b", lora),
              modules("a.", lora),
              modules(".a", lora),
              modules("a\n", lora),
              modules("base_model.model.a", lora),
              modules("a.lora_B", lora),
              modules("x".repeat(501), lora),
              modules("a\ud800", lora))) {
        assertThrows(
            IllegalArgumentException.class,
            () -> PeftCheckpoint.save(directory, bad),
            bad::toString);
      }
      Map<String, byte[]> after = files();
      assertEquals(before.keySet(), after.keySet());
      before.forEach((name, bytes) -> assertArrayEquals(bytes, after.get(name), name));
    }
  }

  @Test
  void aFailedMovePutsTheOldConfigBack() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      AdapterWeights lora = weights(AdapterSpec.lora(3, 3, 2).build(), arena);
      // A folder with something in it can't be replaced by a file.
      Path obstacle = directory.resolve("adapter_model.safetensors");
      Files.createDirectories(obstacle.resolve("in the way"));
      Files.writeString(directory.resolve("adapter_config.json"), "old");
      assertThrows(IOException.class, () -> PeftCheckpoint.save(directory, modules("a", lora)));
      assertEquals("old", Files.readString(directory.resolve("adapter_config.json")));
      try (Stream<Path> all = Files.list(directory)) {
        assertEquals(2, all.count(), "nothing left behind");
      }
      assertTrue(Files.isDirectory(obstacle));
      Files.delete(obstacle.resolve("in the way"));
      Files.delete(obstacle);
      PeftCheckpoint.save(directory, modules("a", lora));
      assertFalse(PeftCheckpoint.open(directory, arena).modules().isEmpty());
    }
  }

  @Test
  void anExactBiasIsStoredAsFewBytesAsPossible() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      Tensor bias = Tensor.of(new float[] {0.1f, -3, 0}, 3);
      for (double scale : new double[] {2, 1.7}) {
        AdapterSpec spec = AdapterSpec.lora(2, 3, 1).scale(scale).upBias().build();
        AdapterWeights random = weights(spec, arena);
        AdapterWeights weights =
            new AdapterWeights(
                spec,
                Map.of(
                    Parameter.A,
                    random.get(Parameter.A),
                    Parameter.B,
                    random.get(Parameter.B),
                    Parameter.B_BIAS,
                    bias));
        PeftCheckpoint.save(directory, modules("a", weights));
        SafeTensors file = SafeTensors.open(directory.resolve("adapter_model.safetensors"), arena);
        StoredType type = file.entry("base_model.model.a.lora_B.bias").type();
        if (scale == 2) {
          assertEquals(StoredType.F32, type);
          // PEFT multiplies it by the scale.
          assertEquals(0.05f, file.tensor("base_model.model.a.lora_B.bias").get(0, 0));
        }
        AdapterWeights loaded = PeftCheckpoint.open(directory, arena).weights("a", arena);
        PeftSamples.assertSameWeights(weights, loaded);
      }
    }
  }

  private static AdapterWeights weights(AdapterSpec spec, Arena arena) {
    return PeftSamples.weights(spec, DType.F32, 1, arena);
  }

  private static SequencedMap<String, AdapterWeights> modules(String path, AdapterWeights weights) {
    SequencedMap<String, AdapterWeights> modules = new LinkedHashMap<>();
    modules.put(path, weights);
    return modules;
  }

  private Map<String, byte[]> files() throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>();
    try (Stream<Path> all = Files.list(directory)) {
      for (Path path : all.sorted().toList()) {
        files.put(path.getFileName().toString(), Files.readAllBytes(path));
      }
    }
    return files;
  }
}
