package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An adapter of the scalar backend: one token after the other through a {@link TokenPass}. */
final class ScalarAdapter implements AdapterKernel {
  private final AdapterSpec spec;
  // An array because iterating over a Set allocates an iterator in every call.
  private final Parameter[] parameters;
  private volatile Branch branch;

  ScalarAdapter(AdapterWeights weights) {
    this.spec = weights.spec();
    this.parameters = spec.parameters().toArray(Parameter[]::new);
    this.branch = new Branch(spec, Parameters.read(weights));
  }

  /** Z of all tokens in training, of one token otherwise; gradients in double in training. */
  private static final class Buffers implements Scratch {
    final boolean training;
    final TokenPass pass;
    final double[] z;
    final Map<Parameter, double[]> gradients;

    Buffers(Branch branch, int maxTokens, boolean training) {
      this.training = training;
      this.pass = new TokenPass(branch);
      int kept = training ? maxTokens : 1;
      this.z = new double[TensorRows.length("workspace", kept, branch.spec.downRank())];
      this.gradients = training ? Parameters.zeros(branch.spec) : Map.of();
    }
  }

  @Override
  public Scratch allocate(int maxTokens, Mode mode, Arena arena) {
    return new Buffers(branch, maxTokens, mode == Mode.TRAINING);
  }

  @Override
  public void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch) {
    Buffers buffers = (Buffers) scratch;
    TokenPass pass = buffers.pass;
    Branch now = branch;
    for (int row = 0; row < x.rows(); row++) {
      TensorRows.read(x, row, pass.x, 0);
      int zAt = buffers.training ? row * spec.downRank() : 0;
      pass.forward(now, options, buffers.training, row, buffers.z, zAt);
      TensorRows.write(y, row, pass.y, 0, options.output());
    }
  }

  /** Adds the branch to some of Y's rows; unlike calls with a workspace, this allocates. */
  void forwardRows(Tensor x, Tensor y, int[] rows, int from, int to, float scale) {
    Buffers buffers = new Buffers(branch, 1, false);
    CallOptions options = CallOptions.of(spec).withScale(scale);
    for (int i = from; i < to; i++) {
      TensorRows.read(x, rows[i], buffers.pass.x, 0);
      buffers.pass.forward(branch, options, false, rows[i], buffers.z, 0);
      TensorRows.write(y, rows[i], buffers.pass.y, 0, options.output());
    }
  }

  @Override
  public void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      CallOptions forward,
      GradientOptions options,
      Scratch scratch) {
    Buffers buffers = (Buffers) scratch;
    TokenPass pass = buffers.pass;
    Branch now = branch;
    for (Parameter parameter : parameters) {
      Arrays.fill(Parameters.require(buffers.gradients, parameter), 0);
    }
    for (int row = 0; row < x.rows(); row++) {
      TensorRows.read(x, row, pass.x, 0);
      TensorRows.read(dY, row, pass.dY, 0);
      int zAt = row * spec.downRank();
      boolean wanted = gradients != null;
      pass.backward(now, forward, true, row, buffers.z, zAt, buffers.gradients, wanted);
      if (dX != null) {
        TensorRows.write(dX, row, pass.dX, 0, options.input());
      }
    }
    if (gradients != null) {
      now.finish(buffers.gradients, pass);
      for (Parameter parameter : parameters) {
        write(gradients.get(parameter), buffers.gradients, parameter, options.parameters());
      }
    }
  }

  private static void write(
      Tensor tensor, Map<Parameter, double[]> gradients, Parameter parameter, Update update) {
    double[] values = Parameters.require(gradients, parameter);
    for (int row = 0; row < tensor.rows(); row++) {
      TensorRows.write(tensor, row, values, row * (int) tensor.columns(), update);
    }
  }

  @Override
  public void repack(AdapterWeights weights) {
    branch = new Branch(spec, Parameters.read(weights));
  }

  @Override
  public boolean compiledByUse() {
    return true;
  }

  @Override
  public void close() {
    // Nothing but heap memory is held.
  }
}
