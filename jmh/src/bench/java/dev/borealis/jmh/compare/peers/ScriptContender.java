package dev.borealis.jmh.compare.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.Problem;
import java.util.ArrayList;
import java.util.List;

/**
 * libtorch running a {@link ScriptModule}: one call through DJL, not one an operator. Forward only; its
 * backward would be autograd's over the same operators as without a script.
 */
final class ScriptContender implements Contender {
  static final String NAME = "TorchScript";

  private final NDManager manager;

  ScriptContender(NDManager manager) {
    this.manager = manager;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    return call == Call.FORWARD
        ? List.of(new Forward(manager.newSubManager(), problem))
        : List.of();
  }

  private static final class Forward extends DjlForward {
    private final PtSymbolBlock module;
    private final List<IValue[]> arguments = new ArrayList<>();

    Forward(NDManager own, Problem problem) {
      super(own, problem);
      module = ScriptModule.load(own, problem);
      for (int slot = 0; slot < problem.slots(); slot++) {
        List<NDArray> all = new ArrayList<>();
        all.add(x.get(slot));
        all.add(y.get(slot));
        problem.spec().parameters().forEach(parameter -> all.add(weight(parameter)));
        if (problem.method() == Method.AURORA) {
          all.add(phi.centres());
        }
        arguments.add(
            all.stream().map(array -> IValue.from((PtNDArray) array)).toArray(IValue[]::new));
      }
    }

    @Override
    public void run(int slot) {
      module.forward(arguments.get(slot)).close();
    }

    @Override
    public void close() {
      for (IValue[] values : arguments) {
        for (IValue value : values) {
          value.close();
        }
      }
      module.close();
      super.close();
    }
  }
}
