package dev.borealis.jmh.compare;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Ours. */
public final class Borealis implements Contender {
  /** Name in reports. */
  public static final String NAME = "Borealis";

  private final Backend backend;

  /**
   * Creates the contender.
   *
   * @param backend that computes
   */
  public Borealis(Backend backend) {
    this.backend = backend;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    return List.of(call == Call.FORWARD ? new Forward(problem) : new Backward(problem));
  }

  /** What both calls need. */
  private abstract class Base implements Prepared {
    final Problem problem;
    final Arena arena = Arena.ofShared();
    final Adapter adapter;
    final Workspace workspace;

    Base(Problem problem, Mode mode) {
      this.problem = problem;
      this.adapter = backend.prepare(problem.weights());
      this.workspace = adapter.workspace(problem.tokens(), mode, arena);
    }

    @Override
    public void reset() {
      problem.resetActivations();
    }

    @Override
    public void close() {
      adapter.close();
      arena.close();
    }
  }

  private final class Forward extends Base {
    Forward(Problem problem) {
      super(problem, Mode.INFERENCE);
    }

    @Override
    public void run(int slot) {
      Problem.Batch batch = problem.batch(slot);
      adapter.forward(batch.x(), batch.y(), workspace);
    }

    @Override
    public Outputs outputs() {
      return new Outputs(Problem.floats(problem.batch(0).y()), Map.of());
    }
  }

  private final class Backward extends Base {
    private final AdapterGradients gradients;

    Backward(Problem problem) {
      super(problem, Mode.TRAINING);
      gradients = AdapterGradients.allocate(problem.spec(), arena);
      Problem.Batch batch = problem.batch(0);
      adapter.forward(batch.x(), batch.y(), workspace);
    }

    @Override
    public void run(int slot) {
      Problem.Batch batch = problem.batch(slot);
      adapter.backward(batch.x(), batch.dY(), batch.dX(), gradients, workspace);
    }

    @Override
    public void reset() {
      super.reset();
      gradients.zero();
    }

    @Override
    public Outputs outputs() {
      Map<Parameter, float[]> copies = new EnumMap<>(Parameter.class);
      for (Parameter parameter : problem.spec().parameters()) {
        copies.put(parameter, Problem.floats(gradients.get(parameter)));
      }
      return new Outputs(Problem.floats(problem.batch(0).dX()), copies);
    }
  }
}
