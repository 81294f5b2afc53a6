package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.json.Json;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Writes PEFT checkpoints. */
final class PeftWriter {
  private PeftWriter() {}

  /** Does what {@link PeftCheckpoint#save} says. */
  static void write(
      Path directory, SequencedMap<String, AdapterWeights> modules, @Nullable String baseModel)
      throws IOException {
    PeftOptions options = commonOptions(modules);
    byte[] config =
        Json.writeIndented(config(options, modules, baseModel)).getBytes(StandardCharsets.UTF_8);
    SafeTensorsWriter tensors = tensors(options, modules);
    Files.createDirectories(directory);
    Path configPath = directory.resolve(PeftCheckpoint.CONFIG);
    try (StagedFile tensorFile = tensors.stage(directory.resolve(PeftCheckpoint.TENSORS));
        StagedFile configFile =
            StagedFile.write(
                configPath,
                channel -> {
                  for (ByteBuffer bytes = ByteBuffer.wrap(config); bytes.hasRemaining(); ) {
                    channel.write(bytes);
                  }
                })) {
      replace(tensorFile, configFile, configPath);
    }
  }

  /** Never lets a config stand beside tensors that aren't its own. */
  private static void replace(StagedFile tensors, StagedFile config, Path configPath)
      throws IOException {
    Path old = configPath.resolveSibling("." + UUID.randomUUID() + ".old");
    boolean replacing = Files.exists(configPath);
    if (replacing) {
      Files.move(configPath, old, StandardCopyOption.ATOMIC_MOVE);
    }
    boolean moved = false;
    try {
      tensors.commit();
      moved = true;
      config.commit();
    } finally {
      if (replacing && !moved) {
        Files.move(old, configPath, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.deleteIfExists(old);
    }
  }

  private static PeftOptions commonOptions(SequencedMap<String, AdapterWeights> modules) {
    if (modules.isEmpty()) {
      throw new IllegalArgumentException(
          "PEFT checkpoint: expected at least one module, came none");
    }
    String first = modules.firstEntry().getKey();
    PeftOptions options = PeftOptions.of(modules.firstEntry().getValue().spec());
    modules.forEach((path, weights) -> {
      PeftOptions others = PeftOptions.of(weights.spec());
      if (!others.equals(options)) {
        throw new IllegalArgumentException(
            "PEFT checkpoint: expected modules that differ in shapes, rank and scale only, came "
                + first
                + " with "
                + options
                + " and "
                + path
                + " with "
                + others);
      }
    });
    return options;
  }

  private static SafeTensorsWriter tensors(
      PeftOptions options, SequencedMap<String, AdapterWeights> modules) {
    // PEFT's own mark for "written by PyTorch", which loaders look for.
    SafeTensorsWriter writer = new SafeTensorsWriter(Map.of("format", "pt"));
    modules.forEach((path, weights) -> {
      checkPath(path, options.type());
      for (Parameter parameter : weights.parameters()) {
        String name = PeftTensorName.PREFIX + path + "." + parameter.tensorName();
        Tensor tensor = weights.get(parameter);
        if (parameter == Parameter.B_BIAS) {
          PeftBias.add(writer, name, tensor, weights.spec().scale());
        } else {
          writer.add(name, tensor);
        }
      }
    });
    return writer;
  }

  /** A path is legal if the reader takes it for one. */
  private static void checkPath(String path, PeftOptions.Type type) {
    boolean legal = path.length() <= PeftPattern.MAX_LENGTH && !("." + path + ".").contains("..");
    legal &= !path.startsWith(PeftTensorName.PREFIX);
    // A line feed at the end is where a regular expression's $ is unsure.
    legal &= path.chars().noneMatch(Character::isISOControl);
    try {
      legal &= PeftTensorName.parse(path, "", type) == null;
    } catch (PeftException e) {
      legal = false;
    }
    if (!legal) {
      throw new IllegalArgumentException(
          "PEFT checkpoint: expected a module path of at most "
              + PeftPattern.MAX_LENGTH
              + " characters such as encoder.layer.0.attention.self.query, came "
              + path);
    }
  }

  private static Map<String, @Nullable Object> config(
      PeftOptions options, SequencedMap<String, AdapterWeights> modules, @Nullable String base) {
    SequencedMap<String, AdapterSpec> specs = new LinkedHashMap<>();
    modules.forEach((path, weights) -> specs.put(path, weights.spec()));
    boolean rankStabilised = PeftAlpha.wantsRankStabilised(specs.values());
    Map<String, Number> ranks = values(specs, AdapterSpec::rank);
    Map<String, Number> alphas = values(specs, spec -> PeftAlpha.of(spec, rankStabilised));
    Number rank = mostCommon(ranks);
    Number alpha = mostCommon(alphas);

    // Sorted, as PEFT writes it.
    Map<String, @Nullable Object> config = new TreeMap<>();
    options.writeTo(config);
    config.put("r", rank);
    config.put("lora_alpha", alpha);
    config.put("use_rslora", rankStabilised);
    config.put("rank_pattern", pattern(ranks, rank));
    config.put("alpha_pattern", pattern(alphas, alpha));
    config.put("target_modules", specs.keySet().stream().sorted().toList());
    config.put("base_model_name_or_path", base);
    config.put("auto_mapping", null);
    config.put("bias", "none");
    config.put("fan_in_fan_out", false);
    config.put("inference_mode", true);
    config.put("init_lora_weights", true);
    config.put("layers_pattern", null);
    config.put("layers_to_transform", null);
    config.put("modules_to_save", null);
    config.put("revision", null);
    config.put("task_type", null);
    return config;
  }

  private static Map<String, Number> values(
      Map<String, AdapterSpec> specs, Function<AdapterSpec, Number> value) {
    Map<String, Number> values = new TreeMap<>();
    specs.forEach((path, spec) -> values.put(path, value.apply(spec)));
    return values;
  }

  /** The smallest of the most common ones: independent of the modules' order. */
  private static Number mostCommon(Map<String, Number> values) {
    Map<Number, Long> counts =
        values.values().stream()
            .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    return counts.entrySet().stream()
        .max(
            Comparator.comparingLong((Map.Entry<Number, Long> entry) -> entry.getValue())
                .thenComparing(entry -> -entry.getKey().doubleValue()))
        .orElseThrow()
        .getKey();
  }

  private static Map<String, Number> pattern(Map<String, Number> values, Number usual) {
    Map<String, Number> pattern = new TreeMap<>();
    values.forEach((path, value) -> {
      if (!value.equals(usual)) {
        pattern.put(PeftPattern.keyFor(path), value);
      }
    });
    return pattern;
  }
}
