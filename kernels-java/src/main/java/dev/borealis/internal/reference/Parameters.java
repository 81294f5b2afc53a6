package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import java.util.EnumMap;
import java.util.Map;

/** An adapter's parameters, or gradients by them, as dense row-major arrays of double. */
final class Parameters {
  private Parameters() {}

  /** Copies the weights. */
  static EnumMap<Parameter, double[]> read(AdapterWeights weights) {
    EnumMap<Parameter, double[]> values = new EnumMap<>(Parameter.class);
    for (Parameter parameter : weights.parameters()) {
      values.put(parameter, TensorRows.toArray(parameter.tensorName(), weights.get(parameter)));
    }
    return values;
  }

  /** {@return zeros in the shapes of the specification's parameters} */
  static EnumMap<Parameter, double[]> zeros(AdapterSpec spec) {
    EnumMap<Parameter, double[]> values = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      values.put(
          parameter, new double[TensorRows.length(parameter.tensorName(), spec.shape(parameter))]);
    }
    return values;
  }

  /** {@return the values of a parameter that must be there} */
  static double[] require(Map<Parameter, double[]> values, Parameter parameter) {
    double[] array = values.get(parameter);
    if (array == null) {
      throw new IllegalArgumentException(parameter.tensorName() + ": expected a value, came none");
    }
    return array;
  }
}
