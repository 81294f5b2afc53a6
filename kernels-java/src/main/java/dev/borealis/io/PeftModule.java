package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.json.Json;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One adapter of a checkpoint, checked: which tensors of the file are its parameters.
 *
 * @param path path in the base model
 * @param spec the specification
 * @param tensors the tensors' names in the file; without the gain, if this is DoRA
 * @param magnitude name of DoRA's magnitude; null if this isn't DoRA
 */
record PeftModule(
    String path, AdapterSpec spec, EnumMap<Parameter, String> tensors, @Nullable String magnitude) {

  /** The names found for one path, before they are checked. */
  private static final class Found {
    final EnumMap<Parameter, String> tensors = new EnumMap<>(Parameter.class);
    @Nullable String magnitude;

    @Nullable String put(@Nullable Parameter parameter, String name) {
      if (parameter != null) {
        return tensors.put(parameter, name);
      }
      String old = magnitude;
      magnitude = name;
      return old;
    }
  }

  /**
   * Finds and checks the modules of a file.
   *
   * @param source the file's name, for messages
   * @param extra gets the names of the tensors that belong to no module
   * @throws PeftException if a tensor is missing, superfluous, or not as the config says
   */
  static SequencedMap<String, PeftModule> all(
      String source, PeftConfig config, SafeTensors file, Set<String> extra) throws PeftException {
    SequencedMap<String, Found> found = new LinkedHashMap<>();
    for (String name : file.names()) {
      PeftTensorName parsed = PeftTensorName.parse(name, source, config.options().type());
      if (parsed == null) {
        extra.add(name);
        continue;
      }
      Found module = found.computeIfAbsent(parsed.module(), path -> new Found());
      String other = module.put(parsed.parameter(), name);
      if (other != null) {
        throw new PeftException(
            source
                + ": module "
                + Json.quoteStart(parsed.module())
                + ": expected one tensor of a kind, came "
                + Json.quoteStart(other)
                + " and "
                + Json.quoteStart(name),
            null);
      }
    }
    if (found.isEmpty()) {
      throw new PeftException(source + ": expected adapters' tensors, came none", null);
    }
    SequencedMap<String, PeftModule> modules = new LinkedHashMap<>();
    for (Map.Entry<String, Found> entry : found.entrySet()) {
      String module = source + ": module " + Json.quoteStart(entry.getKey());
      modules.put(entry.getKey(), check(module, entry.getKey(), entry.getValue(), config, file));
    }
    return modules;
  }

  private static PeftModule check(
      String source, String path, Found found, PeftConfig config, SafeTensors file)
      throws PeftException {
    long[] a = matrix(source, Parameter.A, found, file);
    long[] b = matrix(source, Parameter.B, found, file);
    int rank = config.rank(path);
    boolean twice = config.options().nonlinearity() instanceof Nonlinearity.SwiGlu;
    if (b[1] != rank || a[0] != (twice ? 2L : 1L) * rank) {
      throw new PeftException(
          source
              + ": expected rank "
              + rank
              + ", as the config says, came "
              + Parameter.A.tensorName()
              + Arrays.toString(a)
              + " and "
              + Parameter.B.tensorName()
              + Arrays.toString(b),
          null);
    }
    AdapterSpec spec;
    try {
      spec = config.spec(path, Math.toIntExact(a[1]), Math.toIntExact(b[0]));
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new PeftException(source + ": " + e.getMessage(), e);
    }
    for (Parameter parameter : Parameter.values()) {
      boolean due = spec.parameters().contains(parameter);
      due &= !(config.dora() && parameter == Parameter.GAIN);
      String name = found.tensors.get(parameter);
      check(source, parameter.tensorName(), due, name);
      if (name != null) {
        boolean wide = parameter == Parameter.B_BIAS;
        check(source, name, file.entry(name), wide, spec.shape(parameter));
      }
    }
    check(source, "lora_magnitude_vector", config.dora(), found.magnitude);
    if (found.magnitude != null) {
      SafeTensors.Entry entry = file.entry(found.magnitude);
      check(source, found.magnitude, entry, false, new long[] {spec.outFeatures()});
    }
    return new PeftModule(path, spec, found.tensors, found.magnitude);
  }

  private static long[] matrix(String source, Parameter parameter, Found found, SafeTensors file)
      throws PeftException {
    String name = found.tensors.get(parameter);
    check(source, parameter.tensorName(), true, name);
    long[] shape = name == null ? new long[0] : file.entry(name).shape();
    if (shape.length != 2) {
      throw new PeftException(
          source
              + ": "
              + parameter.tensorName()
              + ": expected a linear layer's 2 dimensions, came "
              + Arrays.toString(shape),
          null);
    }
    return shape;
  }

  private static void check(String source, String what, boolean due, @Nullable String name)
      throws PeftException {
    if (due != (name != null)) {
      throw new PeftException(
          source
              + ": expected "
              + (due ? "a tensor " + what : "no tensor " + what + ", as the config says")
              + ", came "
              + (name == null ? "none" : name),
          null);
    }
  }

  private static void check(
      String source, String name, SafeTensors.Entry entry, boolean wide, long[] shape)
      throws PeftException {
    boolean legal = entry.type().dtype().isPresent() || (wide && entry.type() == StoredType.F64);
    if (!legal || !Arrays.equals(entry.shape(), shape)) {
      throw new PeftException(
          source
              + ": tensor "
              + name
              + ": expected F32, F16 or BF16 "
              + Arrays.toString(shape)
              + ", came "
              + entry,
          null);
    }
  }

  /** {@return a parameter in place} */
  Tensor view(SafeTensors file, Parameter parameter) {
    String name = tensors.get(parameter);
    if (name == null) {
      throw new IllegalArgumentException(path + ": expected a tensor " + parameter.tensorName());
    }
    return file.tensor(name);
  }

  /** {@return copies of all tensors} */
  EnumMap<Parameter, Tensor> copies(SafeTensors file, Arena arena) {
    EnumMap<Parameter, Tensor> copies = new EnumMap<>(Parameter.class);
    tensors.forEach((parameter, name) -> copies.put(parameter, copy(file, parameter, arena)));
    return copies;
  }

  private Tensor copy(SafeTensors file, Parameter parameter, Arena arena) {
    if (parameter == Parameter.B_BIAS) {
      String name = tensors.getOrDefault(parameter, "");
      return PeftBias.read(file.entry(name), spec.scale(), arena);
    }
    Tensor view = view(file, parameter);
    Tensor copy = Tensor.allocate(arena, view.dtype(), view.shape());
    copy.segment().copyFrom(view.segment());
    return copy;
  }
}
