package dev.borealis.optim;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.AdamWKernel;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), in the form of
 * PyTorch's {@code AdamW}. With step count t, learning rate η and decay λ:
 *
 * <pre>
 * m ← m + (1 − β1)(g − m)         v ← β2·v + (1 − β2)·g²
 * w ← (1 − η·λ)·w − η/(1 − β1ᵗ) · m / (√v / √(1 − β2ᵗ) + ε)
 * </pre>
 *
 * <p>One optimiser updates the weights of any number of adapters and plain tensors. Weights,
 * gradients and the moments m and v are F32; the arithmetic is in double and each result is rounded
 * once, so that a step gives the same bits on every machine.
 *
 * <p>For one thread at a time. {@link #step} allocates nothing.
 */
public final class AdamW {
  private final Slot[] slots;
  private final AdapterWeights[] adapters;
  private final Map<String, Tensor> state;
  private final AdamWKernel kernel;
  private final DeviceStream stream;
  private final Location location;
  private final double beta1;
  private final double beta2;
  private final double weightDecay;
  private long steps;

  /** One tensor to train, with its gradient and moments. */
  private record Slot(
      String name,
      String gradientName,
      Tensor weights,
      Tensor gradient,
      boolean decayed,
      Tensor m,
      Tensor v) {}

  /** With moments in a block [2, elements], which is zero. */
  private AdamW(Builder builder, AdamWKernel kernel, DeviceStream stream, Tensor block) {
    this.kernel = kernel;
    this.stream = stream;
    this.location = stream.location();
    this.beta1 = builder.beta1;
    this.beta2 = builder.beta2;
    this.weightDecay = builder.weightDecay;
    this.adapters = builder.adapters.toArray(AdapterWeights[]::new);
    Map<String, Tensor> views = new LinkedHashMap<>();
    this.slots = new Slot[builder.groups.size()];
    long offset = 0;
    long elements = block.columns();
    for (int i = 0; i < slots.length; i++) {
      Group group = builder.groups.get(i);
      long[] shape = group.weights().shape();
      Tensor m = block.part(offset, shape);
      Tensor v = block.part(elements + offset, shape);
      views.put("exp_avg." + group.name(), m);
      views.put("exp_avg_sq." + group.name(), v);
      slots[i] =
          new Slot(
              group.name(),
              "gradient of " + group.name(),
              group.weights(),
              group.gradient(),
              group.decayed(),
              m,
              v);
      offset += size(group.weights());
    }
    this.state = Collections.unmodifiableMap(views);
  }

  private static long size(Tensor tensor) {
    return tensor.rows() * tensor.columns();
  }

  /**
   * Starts with β1 = 0.9, β2 = 0.999, ε = 1e-8 and weight decay 0.01.
   *
   * @return a builder with the defaults
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Updates all weights from their gradients, which stay as they are, and marks the adapters'
   * weights as changed. A gradient that is not finite makes its weight NaN, as in PyTorch.
   *
   * @param learningRate η, finite, ≥ 0
   * @throws IllegalArgumentException if the learning rate is out of range
   * @throws IllegalStateException if memory is closed or another thread's; nothing has changed then
   */
  public void step(double learningRate) {
    if (!(learningRate >= 0) || Double.isInfinite(learningRate)) {
      throw new IllegalArgumentException(
          "learningRate: expected a finite number >= 0, came " + learningRate);
    }
    for (Slot slot : slots) {
      Checks.accessible(slot.name(), slot.weights(), location);
      Checks.accessible(slot.gradientName(), slot.gradient(), location);
      Checks.accessible(slot.name(), slot.m(), location);
    }
    steps++;
    // StrictMath: the same bits on every machine.
    double stepSize = learningRate / (1 - StrictMath.pow(beta1, (double) steps));
    double rootCorrection = Math.sqrt(1 - StrictMath.pow(beta2, (double) steps));
    for (Slot slot : slots) {
      double keep = slot.decayed() ? 1 - learningRate * weightDecay : 1;
      kernel.update(
          slot.weights(), slot.gradient(), slot.m(), slot.v(), keep, stepSize, rootCorrection);
    }
    for (AdapterWeights adapter : adapters) {
      adapter.markChanged();
    }
  }

  /** {@return the number of steps taken, those before a {@link #restore} included} */
  public long steps() {
    return steps;
  }

  /**
   * {@return live views of the moments, for saving: {@code exp_avg.<name>} is m and {@code
   * exp_avg_sq.<name>} is v of each tensor, F32, in the tensor's shape}
   */
  public Map<String, Tensor> state() {
    return state;
  }

  /**
   * Takes over a saved state. Training then goes on with the same bits as if it had never stopped.
   *
   * @param saved tensors with exactly the names, shapes and type of {@link #state()}, on the host
   *     or where the optimiser works; copied in its stream
   * @param savedSteps what {@link #steps()} was, ≥ 0
   * @throws IllegalArgumentException if a tensor is missing, superfluous or of the wrong shape or
   *     type, or the number of steps is negative; nothing has changed then
   * @throws IllegalStateException if memory is closed or another thread's; nothing has changed then
   */
  public void restore(Map<String, Tensor> saved, long savedSteps) {
    if (savedSteps < 0) {
      throw new IllegalArgumentException("savedSteps: expected at least 0, came " + savedSteps);
    }
    if (!saved.keySet().equals(state.keySet())) {
      throw new IllegalArgumentException(
          "saved: expected " + state.keySet() + ", came " + saved.keySet());
    }
    state.forEach((name, target) -> {
      Tensor source = source(saved, name);
      requireFloat(name, source);
      requireShape(name, target, source);
      Checks.accessible(name, source, source.location().isHost() ? Location.HOST : location);
      Checks.accessible(name, target, location);
    });
    state.forEach((name, target) -> stream.copy(source(saved, name), target));
    steps = savedSteps;
  }

  private static Tensor source(Map<String, Tensor> saved, String name) {
    Tensor source = saved.get(name);
    if (source == null) {
      throw new IllegalArgumentException(name + ": expected a tensor, came null");
    }
    return source;
  }

  private static void requireFloat(String name, Tensor tensor) {
    if (tensor.dtype() != DType.F32) {
      throw new DTypeMismatchException(name + ": expected F32, came " + tensor.dtype());
    }
  }

  private static void requireShape(String name, Tensor expected, Tensor tensor) {
    if (!Arrays.equals(expected.shape(), tensor.shape())) {
      throw new ShapeMismatchException(
          name + ": expected shape " + Arrays.toString(expected.shape()) + ", came " + tensor);
    }
  }

  private record Group(String name, Tensor weights, Tensor gradient, boolean decayed) {}

  /** Collects what is trained and how. Every method checks its arguments. */
  public static final class Builder {
    private static final Set<Parameter> PROJECTIONS = EnumSet.of(Parameter.A, Parameter.B);

    private final List<Group> groups = new ArrayList<>();
    private final Set<String> names = new HashSet<>();
    private final List<AdapterWeights> adapters = new ArrayList<>();
    private double beta1 = 0.9;
    private double beta2 = 0.999;
    private double epsilon = 1e-8;
    private double weightDecay = 0.01;

    private Builder() {}

    /**
     * Sets the decay rates of the moments.
     *
     * @param newBeta1 of m, in [0, 1)
     * @param newBeta2 of v, in [0, 1)
     * @return this builder
     * @throws IllegalArgumentException if one is out of range
     */
    public Builder betas(double newBeta1, double newBeta2) {
      this.beta1 = requireBeta("beta1", newBeta1);
      this.beta2 = requireBeta("beta2", newBeta2);
      return this;
    }

    private static double requireBeta(String name, double value) {
      if (!(value >= 0 && value < 1)) {
        throw new IllegalArgumentException(name + ": expected a number in [0, 1), came " + value);
      }
      return value;
    }

    /**
     * Sets ε, which keeps the quotient finite.
     *
     * @param newEpsilon finite, ≥ 0
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    public Builder epsilon(double newEpsilon) {
      this.epsilon = requireNonNegative("epsilon", newEpsilon);
      return this;
    }

    /**
     * Sets λ of the tensors that decay.
     *
     * @param newWeightDecay finite, ≥ 0
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    public Builder weightDecay(double newWeightDecay) {
      this.weightDecay = requireNonNegative("weightDecay", newWeightDecay);
      return this;
    }

    private static double requireNonNegative(String name, double value) {
      if (!(value >= 0) || Double.isInfinite(value)) {
        throw new IllegalArgumentException(name + ": expected a finite number >= 0, came " + value);
      }
      return value;
    }

    /**
     * Adds an adapter whose projections A and B decay, and nothing else.
     *
     * @param name of the adapter, in messages and in the names of the state; unique
     * @param weights F32, writable
     * @param gradients of the same specification
     * @return this builder
     * @throws IllegalArgumentException as {@link #add(String, AdapterWeights, AdapterGradients,
     *     Set)}
     */
    public Builder add(String name, AdapterWeights weights, AdapterGradients gradients) {
      return add(name, weights, gradients, PROJECTIONS);
    }

    /**
     * Adds an adapter; its parameter p gets the name {@code <name>.<p.tensorName()>}.
     *
     * @param name of the adapter, in messages and in the names of the state; unique
     * @param weights F32, writable
     * @param gradients of the same specification
     * @param decayed the parameters that decay; those that the adapter has not are ignored
     * @return this builder
     * @throws IllegalArgumentException if the specifications differ, a weight is not F32 or
     *     read-only, a name is taken, or a weight shares memory with another weight or a gradient
     */
    public Builder add(
        String name, AdapterWeights weights, AdapterGradients gradients, Set<Parameter> decayed) {
      if (weights.spec() != gradients.spec()) {
        throw new IllegalArgumentException(
            name
                + ": expected gradients of "
                + weights.spec()
                + ", came those of "
                + gradients.spec());
      }
      List<Group> added = new ArrayList<>();
      for (Parameter parameter : weights.parameters()) {
        added.add(
            new Group(
                name + "." + parameter.tensorName(),
                weights.get(parameter),
                gradients.get(parameter),
                decayed.contains(parameter)));
      }
      addAll(added);
      adapters.add(weights);
      return this;
    }

    /**
     * Adds a tensor that belongs to no adapter, such as a classifier's.
     *
     * @param name in messages and in the names of the state; unique
     * @param weights F32, writable, any row stride
     * @param gradient F32, of the same shape
     * @param decayed whether the weights decay
     * @return this builder
     * @throws IllegalArgumentException if a shape or type is wrong, the weights are read-only, the
     *     name is taken, or the weights share memory with other weights or a gradient
     */
    public Builder add(String name, Tensor weights, Tensor gradient, boolean decayed) {
      addAll(List.of(new Group(name, weights, gradient, decayed)));
      return this;
    }

    /** All or nothing: a refused adapter leaves none of its tensors behind. */
    private void addAll(List<Group> added) {
      List<Group> accepted = new ArrayList<>(groups);
      for (Group group : added) {
        requireLegal(group, accepted);
        accepted.add(group);
      }
      for (Group group : added) {
        names.add(group.name());
      }
      groups.addAll(added);
    }

    private void requireLegal(Group group, List<Group> others) {
      String name = group.name();
      requireFloat(name, group.weights());
      requireFloat("gradient of " + name, group.gradient());
      requireShape("gradient of " + name, group.weights(), group.gradient());
      Checks.writable(name, group.weights());
      Checks.disjoint(name, group.weights(), "gradient of " + name, group.gradient());
      if (names.contains(name)) {
        throw new IllegalArgumentException(name + ": expected a new name, came one that is taken");
      }
      for (Group other : others) {
        Checks.disjoint(name, group.weights(), other.name(), other.weights());
        Checks.disjoint(name, group.weights(), "gradient of " + other.name(), other.gradient());
        Checks.disjoint(other.name(), other.weights(), "gradient of " + name, group.gradient());
      }
    }

    /**
     * Builds an optimiser of tensors on the host, with zero moments.
     *
     * @param arena owner of the moments' memory, 8 bytes for each weight
     * @return what was built
     * @throws IllegalArgumentException if a tensor is not on the host
     */
    public AdamW build(Arena arena) {
      Tensor block = Tensor.allocate(arena, DType.F32, 2, elements(Location.HOST));
      AdamWKernel kernel = AdamWKernel.onHost(beta1, beta2, epsilon);
      return new AdamW(this, kernel, DeviceStream.onHost(), block);
    }

    /**
     * Builds an optimiser of tensors where a stream works, with zero moments. Its steps are queued
     * in the stream; they have the same bits as on the host.
     *
     * @param backend whose device it is
     * @param stream made by the backend; used by every step
     * @param arena owner of the moments' memory, 8 bytes for each weight
     * @return what was built
     * @throws IllegalArgumentException if a tensor is elsewhere, or the stream is of another device
     */
    public AdamW build(Backend backend, DeviceStream stream, Arena arena) {
      long elements = elements(stream.location());
      AdamWKernel kernel = backend.adamWKernel(stream, beta1, beta2, epsilon);
      Tensor block = backend.allocate(arena, DType.F32, 2, elements);
      stream.zero(block);
      return new AdamW(this, kernel, stream, block);
    }

    private long elements(Location location) {
      long elements = 0;
      for (Group group : groups) {
        Checks.accessible(group.name(), group.weights(), location);
        Checks.accessible("gradient of " + group.name(), group.gradient(), location);
        elements += size(group.weights());
      }
      return elements;
    }
  }
}
