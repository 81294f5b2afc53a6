package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.borealis.jmh.compare.Outputs;
import dev.borealis.jmh.compare.Problem;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A forward call: X and Y of every slot as arrays. */
abstract class DjlForward extends DjlCall {
  final List<NDArray> x = new ArrayList<>();
  final List<NDArray> y = new ArrayList<>();

  DjlForward(NDManager own, Problem problem) {
    super(own, problem);
    for (int slot = 0; slot < problem.slots(); slot++) {
      x.add(Torch.copy(own, problem.batch(slot).x()));
      y.add(Torch.copy(own, problem.batch(slot).y()));
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
