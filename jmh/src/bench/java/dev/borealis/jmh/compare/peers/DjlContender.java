package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.Outputs;
import dev.borealis.jmh.compare.Problem;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * libtorch, driven operator by operator through DJL. Backward is autograd's, over a graph that forward
 * has left and that is kept, so that only backward is timed.
 */
final class DjlContender implements Contender {
  static final String NAME = "DJL PyTorch";

  private final NDManager manager;

  DjlContender(NDManager manager) {
    this.manager = manager;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    NDManager own = manager.newSubManager();
    return List.of(
        call == Call.FORWARD ? new Forward(own, problem) : new Backward(own, problem));
  }

  /** The adapter's weights as arrays, and what both calls do with them. */
  private abstract static class Base implements Prepared {
    final NDManager own;
    final Problem problem;
    final Map<Parameter, NDArray> weights = new EnumMap<>(Parameter.class);
    final DjlPhi phi;
    final float scale;

    Base(NDManager own, Problem problem) {
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
  }

  private static final class Forward extends Base {
    private final List<NDArray> x = new ArrayList<>();
    private final List<NDArray> y = new ArrayList<>();

    Forward(NDManager own, Problem problem) {
      super(own, problem);
      for (int slot = 0; slot < problem.slots(); slot++) {
        x.add(Torch.copy(own, problem.batch(slot).x()));
        y.add(Torch.copy(own, problem.batch(slot).y()));
      }
    }

    @Override
    public void run(int slot) {
      try (NDArray z = linear(x.get(slot), weight(Parameter.A));
          NDList between = new NDList()) {
        NDArray u = phi.of(z, between);
        u.muli(scale);
        try (NDArray branch = linear(u, weight(Parameter.B))) {
          y.get(slot).addi(branch);
        }
      }
    }

    @Override
    public void reset() {
      y.getFirst().set(problem.yStart());
    }

    @Override
    public Outputs outputs() {
      return new Outputs(y.getFirst().toFloatArray(), Map.of());
    }
  }

  private static final class Backward extends Base {
    private final List<NDArray> x = new ArrayList<>();
    private final List<PtNDArray> dY = new ArrayList<>();
    private final List<PtNDArray> branch = new ArrayList<>();

    Backward(NDManager own, Problem problem) {
      super(own, problem);
      JniUtils.setGradMode(true);
      try {
        weights.values().forEach(weight -> weight.setRequiresGradient(true));
        for (int slot = 0; slot < problem.slots(); slot++) {
          NDArray input = Torch.copy(own, problem.batch(slot).x());
          input.setRequiresGradient(true);
          x.add(input);
          dY.add((PtNDArray) Torch.copy(own, problem.batch(slot).dY()));
          try (NDArray z = linear(input, weight(Parameter.A));
              NDList between = new NDList();
              NDArray u = phi.of(z, between).mul(scale)) {
            branch.add((PtNDArray) linear(u, weight(Parameter.B)));
          }
        }
      } finally {
        JniUtils.setGradMode(false);
      }
    }

    @Override
    public void run(int slot) {
      JniUtils.backward(branch.get(slot), dY.get(slot), true, false);
    }

    @Override
    public void reset() {
      clear(x.getFirst());
      weights.values().forEach(Backward::clear);
    }

    private static void clear(NDArray leaf) {
      if (leaf.hasGradient()) {
        try (NDArray gradient = leaf.getGradient()) {
          gradient.muli(0);
        } catch (NullPointerException e) {
          // None yet: nothing has run.
        }
      }
    }

    @Override
    public Outputs outputs() {
      Map<Parameter, float[]> gradients = new EnumMap<>(Parameter.class);
      weights.forEach((parameter, weight) -> gradients.put(parameter, gradient(weight)));
      return new Outputs(gradient(x.getFirst()), gradients);
    }

    private static float[] gradient(NDArray leaf) {
      try (NDArray gradient = leaf.getGradient()) {
        return gradient.toFloatArray();
      }
    }
  }
}
