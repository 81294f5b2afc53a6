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
    double[] x = doubles(Problem.floats(problem.batch(0).x()));
    AdapterOracle oracle = new AdapterOracle(problem.weights());
    AdapterOracle.Forward forward =
        oracle.forward(x, problem.tokens(), CallOptions.of(problem.spec()), false);
    if (call == Call.FORWARD) {
      float[] y = problem.yStart();
      for (int i = 0; i < y.length; i++) {
        y[i] += (float) forward.y()[i];
      }
      return new Outputs(y, Map.of());
    }
    double[] dY = doubles(Problem.floats(problem.batch(0).dY()));
    AdapterOracle.Backward backward = oracle.backward(x, dY, forward);
    Map<Parameter, float[]> gradients = new EnumMap<>(Parameter.class);
    backward.gradients().forEach((parameter, values) -> gradients.put(parameter, floats(values)));
    return new Outputs(floats(backward.dX()), gradients);
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
