package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.NoSuchElementException;
import java.util.SequencedMap;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * A PEFT checkpoint: a directory of adapter_config.json and adapter_model.safetensors with one
 * adapter for each of several linear layers.
 *
 * <p>LoRA checkpoints are those of Hugging Face PEFT, both ways: what {@link #save} writes, PEFT
 * loads. The nonlinear methods keep PEFT's layout and add tensors and config keys of their own.
 * Everything is checked at opening. A config that asks for anything that would change the numbers
 * and isn't supported is refused, by name: docs/FORMATS.md has the table of keys.
 *
 * <p>Modules are named by their path in the base model, without PEFT's prefix {@code
 * base_model.model.}, or by the path's end: {@code layer.0.attention.query} stands for the one path
 * that is this or ends in {@code .layer.0.attention.query}.
 *
 * <p>Immutable. Threads may share it if they may share the arena given to {@link #open}.
 */
public final class PeftCheckpoint {
  static final String CONFIG = "adapter_config.json";
  static final String TENSORS = "adapter_model.safetensors";

  private static final long MAX_CONFIG_BYTES = 16 << 20;

  private final String source;
  private final boolean fanInFanOut;
  private final SafeTensors file;
  private final SequencedMap<String, PeftModule> modules;
  private final SequencedSet<String> extraTensors = new LinkedHashSet<>();

  private PeftCheckpoint(String source, PeftConfig config, SafeTensors file) throws PeftException {
    this.source = source;
    this.fanInFanOut = config.fanInFanOut();
    this.file = file;
    this.modules =
        Collections.unmodifiableSequencedMap(
            PeftModule.all(source + ": " + TENSORS, config, file, extraTensors));
  }

  /**
   * Opens a checkpoint.
   *
   * @param directory holds adapter_config.json and adapter_model.safetensors
   * @param arena owner of the mapped file; may be closed once the weights have been taken
   * @return the opened file
   * @throws PeftException if one of the files is missing, the config is malformed or asks for what
   *     isn't supported, or the tensors don't fit it
   * @throws SafeTensorsException if the tensors' file is malformed
   * @throws IOException if a file can't be read
   */
  public static PeftCheckpoint open(Path directory, Arena arena) throws IOException {
    Path configFile = require(directory, CONFIG);
    Path tensorFile = require(directory, TENSORS);
    long size = Files.size(configFile);
    if (size > MAX_CONFIG_BYTES) {
      throw new PeftException(
          configFile + ": expected at most " + MAX_CONFIG_BYTES + " bytes, came " + size, null);
    }
    PeftConfig config = new PeftConfig(Files.readAllBytes(configFile), configFile.toString());
    return new PeftCheckpoint(directory.toString(), config, SafeTensors.open(tensorFile, arena));
  }

  private static Path require(Path directory, String name) throws PeftException {
    Path path = directory.resolve(name);
    if (!Files.isRegularFile(path)) {
      boolean pickle = name.equals(TENSORS) && Files.exists(directory.resolve("adapter_model.bin"));
      throw new PeftException(
          directory
              + ": expected the file "
              + name
              + ", came "
              + (pickle ? "adapter_model.bin, a pickle, which isn't read" : "none"),
          null);
    }
    return path;
  }

  /** {@return the modules' paths, in the order in which the file names them first} */
  public SequencedSet<String> modules() {
    return modules.sequencedKeySet();
  }

  /**
   * {@return a module's whole path}
   *
   * @param suffix the path, or its end from after a dot; a whole path wins over ends
   * @throws NoSuchElementException if there is no such module
   * @throws IllegalArgumentException if several paths end so; the message names them
   */
  public String module(String suffix) {
    return ModuleNames.find(modules.keySet(), suffix, source);
  }

  /**
   * {@return a module's specification} DoRA's has an output gain.
   *
   * @param suffix as for {@link #module}
   */
  public AdapterSpec spec(String suffix) {
    return find(suffix).spec();
  }

  /**
   * {@return a module's weights: fresh, dense, writable copies in the types of the file (but see
   * docs/FORMATS.md for lora_B.bias, which PEFT multiplies by the scale)}
   *
   * @param suffix as for {@link #module}
   * @param arena owner of the copies
   * @throws IllegalArgumentException if this is DoRA, whose gain needs W0
   */
  public AdapterWeights weights(String suffix, Arena arena) {
    PeftModule module = find(suffix);
    if (isDora()) {
      throw new IllegalArgumentException(
          source + ": module " + module.path() + ": expected W0 for DoRA's gain, came none");
    }
    return new AdapterWeights(module.spec(), module.copies(file, arena));
  }

  /**
   * {@return a DoRA module's weights, with {@link #gain} as {@link Parameter#GAIN}}
   *
   * <p>DoRA scales the base layer's output too: {@code y = g ⊙ (W0 x) + s·g ⊙ (B A x) + bias}. An
   * adapter of these weights adds the second term only. The first is the caller's: multiply row o
   * of W0 by g[o] before preparing the base layer, or its output, without its bias, by g. With
   * dropout, PEFT's training step feeds both terms the input after dropout.
   *
   * @param suffix as for {@link #module}
   * @param w0 the base layer's weights [d_out, d_in]
   * @param arena owner of the copies
   * @throws IllegalArgumentException if this isn't DoRA, W0 has another shape, or a row of {@code
   *     W0 + s·B·A} is 0 or not finite
   */
  public AdapterWeights weights(String suffix, Tensor w0, Arena arena) {
    PeftModule module = find(suffix);
    EnumMap<Parameter, Tensor> copies = module.copies(file, arena);
    copies.put(Parameter.GAIN, gain(suffix, w0, arena));
    return new AdapterWeights(module.spec(), copies);
  }

  /**
   * Returns DoRA's gain {@code g = m / ‖W0 + s·B·A‖}, the norm of each row, computed in fp64. It is
   * to multiply the base layer's output as well as the adapter's: see {@link #weights(String,
   * Tensor, Arena)}. In training, g changes with A and B, and gradients take the norm as constant.
   *
   * @param suffix as for {@link #module}
   * @param w0 the base layer's weights [d_out, d_in]: where {@link #fanInFanOut()}, the transpose
   *     of what the base model stores
   * @param arena owner of the result
   * @return F32 [d_out]
   * @throws IllegalArgumentException as for {@link #weights(String, Tensor, Arena)}
   */
  public Tensor gain(String suffix, Tensor w0, Arena arena) {
    PeftModule module = find(suffix);
    return DoraGain.of(
        module.spec(),
        file.tensor(magnitudeName(module)),
        w0,
        module.view(file, Parameter.A),
        module.view(file, Parameter.B),
        arena);
  }

  /**
   * {@return DoRA's magnitude m [d_out], a read-only view in place}
   *
   * @param suffix as for {@link #module}
   * @throws IllegalArgumentException if this isn't DoRA
   */
  public Tensor magnitude(String suffix) {
    return file.tensor(magnitudeName(find(suffix)));
  }

  /**
   * Tells whether this is DoRA (use_dora).
   *
   * @return whether it is
   */
  public boolean isDora() {
    return modules.firstEntry().getValue().magnitude() != null;
  }

  /**
   * Tells whether the base model stores W0 as [d_in, d_out] (fan_in_fan_out). The adapters' tensors
   * are the same in both cases; {@link #gain} wants [d_out, d_in] in both.
   *
   * @return whether they are
   */
  public boolean fanInFanOut() {
    return fanInFanOut;
  }

  /**
   * {@return the names of the tensors that belong to no adapter: layers trained as a whole
   * (modules_to_save), biases of the base model (bias), embeddings} They replace the base model's,
   * and the checkpoint means something else without them.
   */
  public SequencedSet<String> extraTensors() {
    return Collections.unmodifiableSequencedSet(extraTensors);
  }

  /**
   * {@return one of the extra tensors, as it is stored}
   *
   * @param name one of {@link #extraTensors()}
   * @throws NoSuchElementException if there is no such tensor
   */
  public SafeTensors.Entry extraTensor(String name) {
    if (!extraTensors.contains(name)) {
      throw new NoSuchElementException(
          source + ": expected one of the extra tensors " + extraTensors + ", came " + name);
    }
    return file.entry(name);
  }

  /**
   * Writes a checkpoint. Adapters that are LoRA as PEFT knows it become a checkpoint that PEFT
   * loads; others get a peft_type of ours. The scale is written as lora_alpha, ranks and alphas
   * that differ from the most common ones as rank_pattern and alpha_pattern. The same input gives
   * the same bytes. Read again, specifications and weights are the same to the bit.
   *
   * <p>Not kept: tensors that belong to no adapter; that an output gain came from DoRA.
   *
   * <p>Both files are written and forced to disk under other names first, so that a failure until
   * then leaves an older checkpoint as it was. Then the old config is taken away, the tensors are
   * moved into place, and the config last: whenever there is a config, it belongs to the tensors
   * beside it, and a crash between two of these steps shows as a missing config.
   *
   * @param directory created if need be
   * @param modules weights by module path
   * @throws IllegalArgumentException if there are no modules, a path is no path, or two modules
   *     differ in more than shapes, rank and scale
   * @throws IOException if the files can't be written
   */
  public static void save(Path directory, SequencedMap<String, AdapterWeights> modules)
      throws IOException {
    save(directory, modules, null);
  }

  /**
   * Writes a checkpoint as {@link #save(Path, SequencedMap)} does, and names the base model in it.
   *
   * @param directory created if need be
   * @param modules weights by module path
   * @param baseModel base_model_name_or_path; null if unknown
   * @throws IllegalArgumentException as for {@link #save(Path, SequencedMap)}
   * @throws IOException if the files can't be written
   */
  public static void save(
      Path directory, SequencedMap<String, AdapterWeights> modules, @Nullable String baseModel)
      throws IOException {
    PeftWriter.write(directory, modules, baseModel);
  }

  private PeftModule find(String suffix) {
    PeftModule module = modules.get(module(suffix));
    if (module == null) {
      throw new NoSuchElementException(suffix);
    }
    return module;
  }

  private String magnitudeName(PeftModule module) {
    String name = module.magnitude();
    if (name == null) {
      throw new IllegalArgumentException(
          source + ": module " + module.path() + ": expected DoRA, came an adapter without it");
    }
    return name;
  }

  /** {@return the directory and the number of modules, for messages} */
  @Override
  public String toString() {
    return source + ": " + modules.size() + " modules";
  }
}
