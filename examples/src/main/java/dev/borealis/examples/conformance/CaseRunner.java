package dev.borealis.examples.conformance;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.merge.DeviceMerge;
import dev.borealis.merge.MergeDelta;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs cases on a backend, through the public API alone: forward, backward, merge, and the dropout
 * masks by way of adapters that let them through unchanged.
 */
public final class CaseRunner {
  private static final double Y_TOLERANCE = 2e-6;
  private static final double GRADIENT_TOLERANCE = 1e-5;

  private final Backend backend;

  /**
   * Makes a runner.
   *
   * @param backend what to run on
   */
  public CaseRunner(Backend backend) {
    this.backend = backend;
  }

  /**
   * Runs a case and compares every expected result.
   *
   * @param given the case
   * @return what was found
   */
  public CaseReport run(ConformanceCase given) {
    try (Arena arena = Arena.ofShared()) {
      Map<String, double[]> results = new TreeMap<>();
      train(given, results, arena);
      Map<String, double[]> expected = given.expected();
      if (expected.containsKey("merged_delta")) {
        results.put("merged_delta", mergedDelta(given, arena));
      }
      if (expected.containsKey("mask.x")) {
        results.put("mask.x", inputMask(given, arena));
      }
      if (expected.containsKey("mask.hidden")) {
        results.put("mask.hidden", hiddenMask(given, arena));
      }
      List<CaseReport.Check> checks = new ArrayList<>();
      expected.forEach((name, values) -> {
        double[] actual = results.getOrDefault(name, new double[0]);
        double tolerance = tolerance(name);
        double[] wanted = tolerance == 0 ? asFloats(values) : values;
        checks.add(CaseReport.Check.of(name, wanted, actual, tolerance));
      });
      return new CaseReport(given.name(), checks);
    }
  }

  private static double tolerance(String result) {
    if (result.equals("y")) {
      return Y_TOLERANCE;
    }
    return result.startsWith("mask.") ? 0 : GRADIENT_TOLERANCE;
  }

  private static double[] asFloats(double[] values) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = (float) values[i];
    }
    return rounded;
  }

  private void train(ConformanceCase given, Map<String, double[]> results, Arena arena) {
    AdapterWeights weights = given.weights();
    AdapterSpec spec = weights.spec();
    int tokens = Math.toIntExact(given.x().rows());
    Tensor y = copy(given.y0(), arena);
    Tensor dX = filled(Float.NaN, arena, tokens, spec.inFeatures());
    AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
    for (Parameter parameter : spec.parameters()) {
      fill(gradients.get(parameter), Float.NaN);
    }
    try (Adapter adapter = backend.prepare(weights)) {
      Workspace workspace = adapter.workspace(tokens, Mode.TRAINING, arena);
      adapter.forward(given.x(), y, given.options(), workspace);
      adapter.backward(given.x(), given.dY(), dX, gradients, GradientOptions.OVERWRITE, workspace);
    }
    results.put("y", values(y));
    results.put("grad.x", values(dX));
    for (Parameter parameter : spec.parameters()) {
      results.put("grad." + parameter.tensorName(), values(gradients.get(parameter)));
    }
  }

  /** With the weights where the backend works: on a device if it is one's. */
  private double[] mergedDelta(ConformanceCase given, Arena arena) {
    AdapterSpec spec = given.weights().spec();
    float scale = given.options().scale();
    boolean aurora = spec.nonlinearity() instanceof Nonlinearity.Aurora;
    try (DeviceStream stream = backend.stream()) {
      AdapterWeights weights = moved(given.weights(), stream, arena);
      DeviceMerge merge = new DeviceMerge(backend, stream);
      MergeDelta delta =
          aurora ? merge.staticDelta(weights, scale, arena) : merge.delta(weights, scale, arena);
      Tensor weight = Tensor.allocate(arena, DType.F32, spec.outFeatures(), spec.inFeatures());
      stream.copy(delta.weight(), weight);
      stream.synchronize();
      return values(weight);
    }
  }

  /** Copies of the weights, of their types, where the backend works. */
  private AdapterWeights moved(AdapterWeights weights, DeviceStream stream, Arena arena) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : weights.parameters()) {
      Tensor tensor = weights.get(parameter);
      Tensor copy = backend.allocate(arena, tensor.dtype(), tensor.shape());
      stream.copy(tensor, copy);
      tensors.put(parameter, copy);
    }
    return new AdapterWeights(weights.spec(), tensors);
  }

  /** With A = 1, B = 1 and dY = 1, dX is the mask. */
  private double[] inputMask(ConformanceCase given, Arena arena) {
    AdapterSpec of = given.weights().spec();
    AdapterSpec spec =
        AdapterSpec.lora(of.inFeatures(), 1, 1).inputDropout(of.inputDropout()).build();
    AdapterWeights weights = AdapterWeights.allocate(spec, arena);
    fill(weights.get(Parameter.A), 1);
    fill(weights.get(Parameter.B), 1);
    int tokens = Math.toIntExact(given.x().rows());
    Tensor x = filled(1, arena, tokens, spec.inFeatures());
    Tensor y = filled(0, arena, tokens, 1);
    Tensor dY = filled(1, arena, tokens, 1);
    Tensor dX = filled(Float.NaN, arena, tokens, spec.inFeatures());
    try (Adapter adapter = backend.prepare(weights)) {
      Workspace workspace = adapter.workspace(tokens, Mode.TRAINING, arena);
      adapter.forward(x, y, given.options().withScale(1), workspace);
      adapter.backward(x, dY, dX, null, GradientOptions.OVERWRITE, workspace);
    }
    return values(dX);
  }

  /** With d_in = 1, x = 1, A = 1 and B = identity, y is the mask. */
  private double[] hiddenMask(ConformanceCase given, Arena arena) {
    AdapterSpec of = given.weights().spec();
    AdapterSpec spec =
        AdapterSpec.lora(1, of.rank(), of.rank())
            .hiddenDropout(of.hiddenDropout(), of.hiddenDropoutMode())
            .build();
    AdapterWeights weights = AdapterWeights.allocate(spec, arena);
    fill(weights.get(Parameter.A), 1);
    for (int j = 0; j < spec.rank(); j++) {
      weights.get(Parameter.B).set(j, j, 1);
    }
    int tokens = Math.toIntExact(given.x().rows());
    Tensor x = filled(1, arena, tokens, 1);
    Tensor y = filled(Float.NaN, arena, tokens, spec.rank());
    CallOptions options = given.options().withScale(1).withOutput(Update.OVERWRITE);
    try (Adapter adapter = backend.prepare(weights)) {
      adapter.forward(x, y, options, adapter.workspace(tokens, Mode.TRAINING, arena));
    }
    return values(y);
  }

  private static Tensor filled(float value, Arena arena, long rows, long columns) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, rows, columns);
    fill(tensor, value);
    return tensor;
  }

  private static void fill(Tensor tensor, float value) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, value);
      }
    }
  }

  private static Tensor copy(Tensor source, Arena arena) {
    Tensor copy = Tensor.allocate(arena, DType.F32, source.shape());
    for (long row = 0; row < source.rows(); row++) {
      for (long column = 0; column < source.columns(); column++) {
        copy.set(row, column, source.get(row, column));
      }
    }
    return copy;
  }

  private static double[] values(Tensor tensor) {
    int columns = Math.toIntExact(tensor.columns());
    double[] values = new double[Math.toIntExact(tensor.rows() * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / columns, i % columns);
    }
    return values;
  }
}
