package dev.borealis.internal.reference;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.UnsupportedSpecException;
import dev.borealis.internal.dropout.DropoutMask;
import java.util.Map;

/**
 * What every backend is measured against: the formulas of {@link AdapterSpec} in double precision,
 * all methods and all gradients. Matrices are dense, row-major arrays.
 *
 * <p>Two numbers are floats first, as on every backend: the scale and the entries of the dropout
 * masks. Safe for all threads.
 */
public final class AdapterOracle {
  private final Branch branch;

  /**
   * Copies the weights, whatever their types.
   *
   * @param weights live
   */
  public AdapterOracle(AdapterWeights weights) {
    this(weights.spec(), Parameters.read(weights));
  }

  /**
   * Takes parameters in double precision.
   *
   * @param spec the adapter's specification
   * @param parameters dense values of all of the specification's parameters; not copied
   */
  public AdapterOracle(AdapterSpec spec, Map<Parameter, double[]> parameters) {
    this.branch = new Branch(spec, parameters);
  }

  /** {@return the specification} */
  public AdapterSpec spec() {
    return branch.spec;
  }

  /** What a forward call computed, and what its backward needs. */
  public static final class Forward {
    private final AdapterSpec spec;
    private final CallOptions options;
    private final boolean masked;
    private final int tokens;
    private final double[] y;
    private final double[] z;
    private final double[] u;

    private Forward(AdapterSpec spec, CallOptions options, boolean masked, int tokens) {
      this.spec = spec;
      this.options = options;
      this.masked = masked;
      this.tokens = tokens;
      this.y = new double[tokens * spec.outFeatures()];
      this.z = new double[tokens * spec.downRank()];
      this.u = new double[tokens * spec.rank()];
    }

    /** {@return n} */
    public int tokens() {
      return tokens;
    }

    /** {@return the branch {@code s·g ⊙ (U Bᵀ) + b} [n, d_out], without the old Y} */
    public double[] y() {
      return y;
    }

    /** {@return Z [n, r_a]; in the static form {@code Xd σ(A)ᵀ}} */
    public double[] z() {
      return z;
    }

    /** {@return U [n, r], after modulation and hidden dropout} */
    public double[] u() {
      return u;
    }

    /** {@return m_x [n, d_in]; ones where there is no dropout} */
    public double[] inputMask() {
      return mask(DropoutMask.input(spec, options), masked && spec.inputDropout() > 0);
    }

    /** {@return m_h [n, r]; ones where there is no dropout} */
    public double[] hiddenMask() {
      return mask(DropoutMask.hidden(spec, options), masked && spec.hiddenDropout() > 0);
    }

    private double[] mask(DropoutMask mask, boolean drawn) {
      int columns = (int) mask.columns();
      double[] values = new double[tokens * columns];
      for (int i = 0; i < values.length; i++) {
        values[i] = drawn ? mask.at(i / columns, i % columns) : 1;
      }
      return values;
    }
  }

  /** What a backward call computed. */
  public static final class Backward {
    private final double[] dX;
    private final Map<Parameter, double[]> gradients;

    private Backward(double[] dX, Map<Parameter, double[]> gradients) {
      this.dX = dX;
      this.gradients = gradients;
    }

    /** {@return the branch's part of dX [n, d_in]} */
    public double[] dX() {
      return dX;
    }

    /** {@return the gradients of all parameters of the specification, dense} */
    public Map<Parameter, double[]> gradients() {
      return gradients;
    }

    /**
     * {@return the gradient of one parameter, dense}
     *
     * @param parameter one of the specification's
     */
    public double[] gradient(Parameter parameter) {
      return Parameters.require(gradients, parameter);
    }
  }

  /**
   * Computes the branch.
   *
   * @param x [n, d_in]
   * @param tokens n
   * @param options scale, and seed and step of the dropout; the treatment of the old Y is the
   *     caller's matter
   * @param training whether dropout is drawn
   */
  public Forward forward(double[] x, int tokens, CallOptions options, boolean training) {
    AdapterSpec spec = branch.spec;
    Forward forward = new Forward(spec, options, training, tokens);
    TokenPass pass = new TokenPass(branch);
    for (int row = 0; row < tokens; row++) {
      System.arraycopy(x, row * pass.x.length, pass.x, 0, pass.x.length);
      pass.forward(branch, options, training, row, forward.z, row * spec.downRank());
      System.arraycopy(pass.y, 0, forward.y, row * pass.y.length, pass.y.length);
      System.arraycopy(pass.u, 0, forward.u, row * pass.u.length, pass.u.length);
    }
    return forward;
  }

  /**
   * Computes all gradients of a forward call.
   *
   * @param x [n, d_in], as in the forward call
   * @param dY [n, d_out]
   * @param forward what {@link #forward} returned
   */
  public Backward backward(double[] x, double[] dY, Forward forward) {
    AdapterSpec spec = branch.spec;
    double[] dX = new double[forward.tokens * spec.inFeatures()];
    Map<Parameter, double[]> gradients = Parameters.zeros(spec);
    TokenPass pass = new TokenPass(branch);
    for (int row = 0; row < forward.tokens; row++) {
      System.arraycopy(x, row * pass.x.length, pass.x, 0, pass.x.length);
      System.arraycopy(dY, row * pass.dY.length, pass.dY, 0, pass.dY.length);
      pass.backward(
          branch,
          forward.options,
          forward.masked,
          row,
          forward.z,
          row * spec.downRank(),
          gradients,
          true);
      System.arraycopy(pass.dX, 0, dX, row * pass.dX.length, pass.dX.length);
    }
    branch.finish(gradients, pass);
    return new Backward(dX, gradients);
  }

  /**
   * Returns the weight that merging adds to W0: {@code s·g ⊙ (B (v ⊙ φ(A)))} with φ on the columns
   * of A. Exact for a linear φ without biases; for AuroRA the paper's static form, another function
   * than the dynamic one.
   *
   * @param scale s
   * @return [d_out, d_in]
   * @throws UnsupportedSpecException if φ is another nonlinearity
   */
  public double[] mergedDelta(float scale) {
    AdapterSpec spec = branch.spec;
    boolean mergeable =
        switch (spec.nonlinearity()) {
          case Nonlinearity.Pointwise p -> p.activation() == Activation.IDENTITY;
          case Nonlinearity.Mixer m -> true;
          case Nonlinearity.Aurora a -> true;
          case Nonlinearity.Swish s -> false;
          case Nonlinearity.SwiGlu g -> false;
        };
    if (!mergeable) {
      throw new UnsupportedSpecException(
          "merge: expected a linear adapter or AuroRA, came " + spec);
    }
    int columns = spec.inFeatures();
    double[] phiA = branch.phiOfColumns();
    double[] delta = new double[spec.outFeatures() * columns];
    for (int o = 0; o < spec.outFeatures(); o++) {
      double factor = branch.gain == null ? scale : scale * branch.gain[o];
      for (int j = 0; j < spec.rank(); j++) {
        double v = branch.modulation == null ? 1 : branch.modulation[j];
        double weight = factor * v * branch.up[o * spec.rank() + j];
        Vectors.add(delta, o * columns, weight, phiA, j * columns, columns);
      }
    }
    return delta;
  }
}
