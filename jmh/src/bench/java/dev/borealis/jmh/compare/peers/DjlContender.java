package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.Method;
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
    return switch (call) {
      case FORWARD -> List.of(new Forward(own, problem));
      case BACKWARD -> List.of(new Backward(own, problem));
      case STEP -> List.of(new DjlStep(own, problem));
      case MERGE ->
          problem.method() == Method.LORA ? List.of(new Merge(own, problem)) : List.of();
    };
  }

  private static final class Forward extends DjlForward {
    Forward(NDManager own, Problem problem) {
      super(own, problem);
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
  }

  private static final class Backward extends DjlCall {
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
      weights.values().forEach(DjlCall::clear);
    }

    @Override
    public Outputs outputs() {
      Map<Parameter, float[]> gradients = new EnumMap<>(Parameter.class);
      weights.forEach((parameter, weight) -> gradients.put(parameter, gradient(weight)));
      return new Outputs(gradient(x.getFirst()), gradients);
    }
  }

  private static final class Merge extends DjlCall {
    private NDArray delta;

    Merge(NDManager own, Problem problem) {
      super(own, problem);
      delta = own.zeros(new Shape(1));
    }

    @Override
    public void run(int slot) {
      delta.close();
      delta = weight(Parameter.B).matMul(weight(Parameter.A));
      delta.muli(scale);
    }

    @Override
    public void reset() {}

    @Override
    public Outputs outputs() {
      return new Outputs(delta.toFloatArray(), Map.of());
    }
  }
}
