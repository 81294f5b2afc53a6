package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.jmh.Method;
import java.util.Map;

/** φ of all methods in operators of NDArray. */
final class DjlPhi {
  private static final SplineGrid GRID = SplineGrid.DEFAULT;

  private final Method method;
  private final Map<Parameter, NDArray> weights;
  private final NDArray centres;

  DjlPhi(Method method, NDManager manager, Map<Parameter, NDArray> weights) {
    this.method = method;
    this.weights = weights;
    float[] values = new float[GRID.bases()];
    for (int m = 0; m < values.length; m++) {
      values[m] = (float) (GRID.min() + (m - 1) * GRID.step());
    }
    centres = manager.create(values, new Shape(1, 1, values.length));
  }

  /** {@return the centres of AuroRA's spline [1, 1, bases]} */
  NDArray centres() {
    return centres;
  }

  private NDArray weight(Parameter parameter) {
    NDArray weight = weights.get(parameter);
    if (weight == null) {
      throw new IllegalArgumentException("no " + parameter);
    }
    return weight;
  }

  /**
   * {@return φ(z); z itself if φ is the identity}
   *
   * @param z [n, r]
   * @param between gets the arrays to be closed afterwards, the result included
   */
  NDArray of(NDArray z, NDList between) {
    return switch (method) {
      case LORA -> z;
      case AURORA -> aurora(z, between);
      case NORA -> keep(between, z.mul(keep(between, sigmoid(z))));
      case NOLORA -> {
        NDArray scaled = keep(between, z.mul(weight(Parameter.BETA)));
        NDArray f = keep(between, z.mul(keep(between, sigmoid(scaled))));
        yield keep(between, f.mul(weight(Parameter.V)));
      }
    };
  }

  private NDArray aurora(NDArray z, NDList between) {
    NDArray t = keep(between, z.tanh());
    NDArray f = keep(between, keep(between, linear(t, weight(Parameter.H))).tanh());
    NDArray size =
        keep(
            between,
            keep(
                    between,
                    keep(between, keep(between, z.expandDims(2)).sub(centres))
                        .mul(1 / GRID.step()))
                .abs());
    NDArray outer = keep(between, relu(keep(between, keep(between, size.neg()).add(2))));
    NDArray inner = keep(between, relu(keep(between, keep(between, size.neg()).add(1))));
    NDArray bases =
        keep(
            between,
            keep(between, cube(outer, between)).sub(keep(between, cube(inner, between).mul(4))));
    NDArray q = keep(between, keep(between, bases.sum(new int[] {1})).mul(1 / 6.0));
    return keep(between, f.add(keep(between, linear(q, weight(Parameter.SPLINE)))));
  }

  private static NDArray cube(NDArray x, NDList between) {
    return keep(between, keep(between, x.mul(x)).mul(x));
  }

  private static NDArray linear(NDArray x, NDArray weight) {
    return x.getNDArrayInternal().linear(x, weight, null).singletonOrThrow();
  }

  private static NDArray sigmoid(NDArray x) {
    return x.getNDArrayInternal().sigmoid();
  }

  private static NDArray relu(NDArray x) {
    return x.getNDArrayInternal().relu();
  }

  private static NDArray keep(NDList between, NDArray array) {
    between.add(array);
    return array;
  }
}
