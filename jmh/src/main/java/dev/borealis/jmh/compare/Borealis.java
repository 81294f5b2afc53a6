package dev.borealis.jmh.compare;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.jmh.Method;
import dev.borealis.merge.Merge;
import dev.borealis.optim.AdamW;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Ours. */
public final class Borealis implements Contender {
  /** Name in reports. */
  public static final String NAME = "Borealis";

  private static final int WARM_UP_WIDTH = 768;

  private final Backend backend;
  private final Set<List<Object>> warm = new HashSet<>();

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

  /** Once for each kernel, on a layer so small that it takes seconds at any rank. */
  @Override
  public void warmUp(Case c) {
    Mode mode = c.call() == Call.FORWARD ? Mode.INFERENCE : Mode.TRAINING;
    if (c.call() == Call.MERGE || !warm.add(List.of(c.method(), c.rank(), mode))) {
      return;
    }
    try (Arena arena = Arena.ofShared()) {
      AdapterSpec spec = c.method().spec(WARM_UP_WIDTH, c.rank());
      try (Adapter adapter = backend.prepare(AdapterWeights.initialise(spec, 42, arena))) {
        adapter.warmUp(mode, DType.F32, DType.F32);
      }
    }
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    return switch (call) {
      case FORWARD -> List.of(new Forward(problem));
      case BACKWARD -> List.of(new Backward(problem));
      case STEP -> List.of(new Step(problem));
      case MERGE -> problem.method() == Method.LORA ? List.of(new Delta(problem)) : List.of();
    };
  }

  /** What both calls need. */
  private abstract class Base implements Prepared {
    final Problem problem;
    final Arena arena = Arena.ofShared();
    final Adapter adapter;
    final Workspace workspace;

    Base(Problem problem, AdapterWeights weights, Mode mode) {
      this.problem = problem;
      this.adapter = backend.prepare(weights);
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
      super(problem, problem.weights(), Mode.INFERENCE);
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
      super(problem, problem.weights(), Mode.TRAINING);
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

  private final class Step extends Base {
    private final AdapterGradients gradients;
    private AdamW optimiser;

    Step(Problem problem) {
      super(problem, AdapterWeights.initialise(problem.spec(), 0, Arena.ofAuto()), Mode.TRAINING);
      gradients = AdapterGradients.allocate(problem.spec(), arena);
      optimiser = restart();
    }

    /** Weights as in the problem, moments 0. */
    private AdamW restart() {
      for (Parameter parameter : problem.spec().parameters()) {
        adapter
            .weights()
            .get(parameter)
            .segment()
            .copyFrom(problem.weights().get(parameter).segment());
      }
      adapter.weights().markChanged();
      adapter.repack();
      return AdamW.builder()
          .betas(Training.BETA1, Training.BETA2)
          .epsilon(Training.EPSILON)
          .weightDecay(Training.DECAY)
          .add("adapter", adapter.weights(), gradients, problem.spec().parameters())
          .build(arena);
    }

    @Override
    public void run(int slot) {
      Problem.Batch batch = problem.batch(slot);
      gradients.zero();
      adapter.forward(batch.x(), batch.y(), workspace);
      adapter.backward(batch.x(), batch.dY(), batch.dX(), gradients, workspace);
      optimiser.step(Training.RATE);
      adapter.repack();
    }

    @Override
    public void reset() {
      super.reset();
      optimiser = restart();
    }

    @Override
    public Outputs outputs() {
      Map<Parameter, float[]> updates = new EnumMap<>(Parameter.class);
      for (Parameter parameter : problem.spec().parameters()) {
        updates.put(
            parameter,
            Training.update(
                Problem.floats(adapter.weights().get(parameter)),
                Problem.floats(problem.weights().get(parameter))));
      }
      return new Outputs(Problem.floats(problem.batch(0).y()), updates);
    }
  }

  /** Computes in double, and allocates its result, as its users get it. */
  private static final class Delta implements Prepared {
    private final Problem problem;
    private Arena owner = Arena.ofShared();
    private @Nullable Tensor delta;

    Delta(Problem problem) {
      this.problem = problem;
    }

    @Override
    public void run(int slot) {
      owner.close();
      owner = Arena.ofShared();
      delta = Merge.delta(problem.weights(), owner).weight();
    }

    @Override
    public void reset() {
      delta = null;
    }

    @Override
    public Outputs outputs() {
      return new Outputs(delta == null ? new float[0] : Problem.floats(delta), Map.of());
    }

    @Override
    public void close() {
      owner.close();
    }
  }
}
