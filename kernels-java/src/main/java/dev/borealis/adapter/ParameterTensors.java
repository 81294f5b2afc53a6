package dev.borealis.adapter;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** One tensor per parameter of a specification: the shared half of weights and gradients. */
abstract sealed class ParameterTensors permits AdapterWeights, AdapterGradients {
  private final AdapterSpec spec;
  private final EnumMap<Parameter, Tensor> tensors;

  /** Checks that the map holds exactly the parameters of the specification, in their shapes. */
  ParameterTensors(AdapterSpec spec, Map<Parameter, Tensor> tensors, String prefix) {
    this.spec = Objects.requireNonNull(spec, "spec");
    Objects.requireNonNull(tensors, "tensors");
    if (!tensors.keySet().equals(spec.parameters())) {
      throw new IllegalArgumentException(
          prefix
              + "parameters: expected "
              + spec.parameters()
              + " for "
              + spec
              + ", came "
              + tensors.keySet());
    }
    this.tensors = new EnumMap<>(tensors);
    this.tensors.forEach((parameter, tensor) -> {
      Objects.requireNonNull(tensor, () -> prefix + parameter.tensorName());
      if (!Arrays.equals(tensor.shape(), spec.shape(parameter))) {
        throw new ShapeMismatchException(
            prefix
                + parameter.tensorName()
                + ": expected shape "
                + Arrays.toString(spec.shape(parameter))
                + ", came "
                + tensor);
      }
    });
  }

  /** Throws if two of the tensors share memory. */
  final void requireDisjoint(String prefix) {
    for (Parameter a : spec.parameters()) {
      for (Parameter b : spec.parameters()) {
        if (a.compareTo(b) < 0 && get(a).overlaps(get(b))) {
          throw new OverlapException(
              prefix
                  + a.tensorName()
                  + ": expected memory apart from "
                  + prefix
                  + b.tensorName()
                  + "'s, came some that they share");
        }
      }
    }
  }

  static EnumMap<Parameter, Tensor> allocateAll(AdapterSpec spec, java.lang.foreign.Arena arena) {
    EnumMap<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      tensors.put(parameter, Tensor.allocate(arena, DType.F32, spec.shape(parameter)));
    }
    return tensors;
  }

  /** {@return the specification that the tensors belong to} */
  public final AdapterSpec spec() {
    return spec;
  }

  /** {@return the parameters that are there} */
  public final Set<Parameter> parameters() {
    return spec.parameters();
  }

  /**
   * {@return the tensor of one parameter}
   *
   * @param parameter one of {@link #parameters()}
   * @throws IllegalArgumentException if the specification has no such parameter
   */
  public final Tensor get(Parameter parameter) {
    Tensor tensor = tensors.get(parameter);
    if (tensor == null) {
      throw new IllegalArgumentException(
          parameter.tensorName() + ": expected one of " + spec.parameters() + " of " + spec);
    }
    return tensor;
  }
}
