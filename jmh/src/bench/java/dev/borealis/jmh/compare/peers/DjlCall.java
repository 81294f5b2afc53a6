package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.Problem;
import java.util.EnumMap;
import java.util.Map;

/** The adapter's weights as arrays, and what all calls do with them. */
abstract class DjlCall implements Contender.Prepared {
  final NDManager own;
  final Problem problem;
  final Map<Parameter, NDArray> weights = new EnumMap<>(Parameter.class);
  final DjlPhi phi;
  final float scale;

  DjlCall(NDManager own, Problem problem) {
    this.own = own;
    this.problem = problem;
    this.scale = problem.spec().scale();
    for (Parameter parameter : problem.spec().parameters()) {
      weights.put(parameter, Torch.copy(own, problem.weights().get(parameter)));
    }
    phi = new DjlPhi(problem.method(), own, weights);
  }

  final NDArray weight(Parameter parameter) {
    NDArray weight = weights.get(parameter);
    if (weight == null) {
      throw new IllegalArgumentException("no " + parameter);
    }
    return weight;
  }

  static NDArray linear(NDArray x, NDArray weight) {
    return x.getNDArrayInternal().linear(x, weight, null).singletonOrThrow();
  }

  @Override
  public void close() {
    own.close();
  }

  /** Sets a leaf's gradient to 0. */
  static void clear(NDArray leaf) {
    if (leaf.hasGradient()) {
      try (NDArray gradient = leaf.getGradient()) {
        gradient.muli(0);
      } catch (NullPointerException e) {
        // None yet: nothing has run.
      }
    }
  }

  static float[] gradient(NDArray leaf) {
    try (NDArray gradient = leaf.getGradient()) {
      return gradient.toFloatArray();
    }
  }
}
