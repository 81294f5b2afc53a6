package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.compare.Outputs;
import dev.borealis.jmh.compare.Problem;
import dev.borealis.jmh.compare.Training;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A training step of libtorch: forward with a graph, autograd, and AdamW in operators that work in
 * place, fewer than those of DJL's own optimiser.
 */
final class DjlStep extends DjlCall {
  private final List<NDArray> x = new ArrayList<>();
  private final List<NDArray> y = new ArrayList<>();
  private final List<PtNDArray> dY = new ArrayList<>();
  private final Map<Parameter, NDArray> m = new EnumMap<>(Parameter.class);
  private final Map<Parameter, NDArray> v = new EnumMap<>(Parameter.class);
  private long steps;

  DjlStep(NDManager own, Problem problem) {
    super(own, problem);
    weights.forEach((parameter, weight) -> {
      weight.setRequiresGradient(true);
      m.put(parameter, own.zeros(weight.getShape()));
      v.put(parameter, own.zeros(weight.getShape()));
    });
    for (int slot = 0; slot < problem.slots(); slot++) {
      NDArray input = Torch.copy(own, problem.batch(slot).x());
      input.setRequiresGradient(true);
      x.add(input);
      y.add(Torch.copy(own, problem.batch(slot).y()));
      dY.add((PtNDArray) Torch.copy(own, problem.batch(slot).dY()));
    }
  }

  @Override
  public void run(int slot) {
    JniUtils.setGradMode(true);
    try (NDArray z = linear(x.get(slot), weight(Parameter.A));
        NDList between = new NDList();
        NDArray u = phi.of(z, between).mul(scale);
        NDArray branch = linear(u, weight(Parameter.B))) {
      JniUtils.setGradMode(false);
      y.get(slot).addi(branch);
      JniUtils.backward((PtNDArray) branch, dY.get(slot), false, false);
    } finally {
      JniUtils.setGradMode(false);
    }
    steps++;
    weights.forEach((parameter, weight) -> {
      NDArray first = m.get(parameter);
      NDArray second = v.get(parameter);
      if (first != null && second != null) {
        update(weight, first, second);
      }
    });
  }

  private void update(NDArray weight, NDArray first, NDArray second) {
    try (NDArray g = weight.getGradient();
        NDArray part = g.mul(1 - Training.BETA1);
        NDArray square = g.mul(g)) {
      first.muli(Training.BETA1);
      first.addi(part);
      square.muli(1 - Training.BETA2);
      second.muli(Training.BETA2);
      second.addi(square);
      try (NDArray root = second.sqrt()) {
        root.muli(Training.rootFactor(steps));
        root.addi(Training.EPSILON);
        try (NDArray down = first.div(root)) {
          down.muli(Training.stepSize(steps));
          weight.muli(Training.keep());
          weight.subi(down);
        }
      }
      g.muli(0);
    }
  }

  @Override
  public void reset() {
    steps = 0;
    clear(x.getFirst());
    y.getFirst().set(problem.yStart());
    weights.forEach((parameter, weight) -> {
      clear(weight);
      weight.set(Problem.floats(problem.weights().get(parameter)));
    });
    m.values().forEach(moment -> moment.muli(0));
    v.values().forEach(moment -> moment.muli(0));
  }

  @Override
  public Outputs outputs() {
    Map<Parameter, float[]> updates = new EnumMap<>(Parameter.class);
    weights.forEach((parameter, weight) ->
        updates.put(
            parameter,
            Training.update(
                weight.toFloatArray(), Problem.floats(problem.weights().get(parameter)))));
    return new Outputs(y.getFirst().toFloatArray(), updates);
  }
}
