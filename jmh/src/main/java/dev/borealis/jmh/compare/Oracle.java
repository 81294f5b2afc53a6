package dev.borealis.jmh.compare;

import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.reference.AdapterOracle;
import java.util.EnumMap;
import java.util.Map;

/** What a call has to compute, in double precision. */
final class Oracle {
  private Oracle() {}

  static Outputs outputs(Problem problem, Call call) {
    if (call == Call.MERGE) {
      AdapterOracle oracle = new AdapterOracle(problem.weights());
      return new Outputs(floats(oracle.mergedDelta(problem.spec().scale())), Map.of());
    }
    double[] x = doubles(Problem.floats(problem.batch(0).x()));
    AdapterOracle oracle = new AdapterOracle(problem.weights());
    AdapterOracle.Forward forward =
        oracle.forward(x, problem.tokens(), CallOptions.of(problem.spec()), false);
    float[] y = problem.yStart();
    for (int i = 0; i < y.length; i++) {
      y[i] += (float) forward.y()[i];
    }
    if (call == Call.FORWARD) {
      return new Outputs(y, Map.of());
    }
    double[] dY = doubles(Problem.floats(problem.batch(0).dY()));
    AdapterOracle.Backward backward = oracle.backward(x, dY, forward);
    Map<Parameter, float[]> gradients = new EnumMap<>(Parameter.class);
    if (call == Call.STEP) {
      backward
          .gradients()
          .forEach((parameter, g) ->
              gradients.put(
                  parameter, update(Problem.floats(problem.weights().get(parameter)), g)));
      return new Outputs(y, gradients);
    }
    backward.gradients().forEach((parameter, values) -> gradients.put(parameter, floats(values)));
    return new Outputs(floats(backward.dX()), gradients);
  }

  /** What the first step of AdamW adds to weights: its moments are g and g², corrected. */
  private static float[] update(float[] weights, double[] gradient) {
    float[] update = new float[weights.length];
    for (int i = 0; i < update.length; i++) {
      double g = gradient[i];
      update[i] =
          (float)
              -(Training.RATE
                  * (Training.DECAY * weights[i] + g / (Math.abs(g) + Training.EPSILON)));
    }
    return update;
  }

  private static double[] doubles(float[] values) {
    double[] result = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = values[i];
    }
    return result;
  }

  private static float[] floats(double[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = (float) values[i];
    }
    return result;
  }
}
