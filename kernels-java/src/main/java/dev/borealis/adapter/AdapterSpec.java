package dev.borealis.adapter;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/**
 * What an adapter computes, without its numbers: shapes, nonlinearity, scale, dropout. Immutable.
 *
 * <pre>
 * Z = (m_x ⊙ X) Aᵀ (+ a)      [n, r_a]
 * U = m_h ⊙ v ⊙ φ(Z)          [n, r]
 * Y = β·Y + s·g ⊙ (U Bᵀ) (+ b)
 * </pre>
 *
 * <p>X is [n, d_in], A [r_a, d_in], B [d_out, r]; a, v, g and b are optional.
 */
public final class AdapterSpec {
  /** Largest rank that the kernels accept. */
  public static final int MAX_RANK = 512;

  private final int inFeatures;
  private final int outFeatures;
  private final int rank;
  private final Nonlinearity nonlinearity;
  private final float scale;
  private final double inputDropout;
  private final double hiddenDropout;
  private final HiddenDropoutMode hiddenDropoutMode;
  private final boolean staticForm;
  private final Set<Parameter> parameters;

  private AdapterSpec(Builder builder) {
    this.inFeatures = builder.inFeatures;
    this.outFeatures = builder.outFeatures;
    this.rank = builder.rank;
    this.nonlinearity = builder.nonlinearity;
    this.scale = (float) builder.resolveScale();
    this.inputDropout = builder.inputDropout;
    this.hiddenDropout = builder.hiddenDropout;
    this.hiddenDropoutMode = builder.hiddenDropoutMode;
    this.staticForm = builder.staticForm;
    EnumSet<Parameter> set = EnumSet.of(Parameter.A, Parameter.B);
    set.addAll(builder.optional);
    switch (nonlinearity) {
      case Nonlinearity.Pointwise p -> {}
      case Nonlinearity.SwiGlu g -> {}
      case Nonlinearity.Swish s -> set.add(Parameter.BETA);
      case Nonlinearity.Mixer m -> set.add(Parameter.MIXER);
      case Nonlinearity.Aurora a -> {
        if (a.fixedTerm()) {
          set.add(Parameter.H);
        }
        if (a.splineTerm()) {
          set.add(Parameter.SPLINE);
        }
      }
    }
    this.parameters = Collections.unmodifiableSet(set);
  }

  /**
   * Starts a LoRA specification: φ = identity, s = α/r with α = r unless given.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder lora(int inFeatures, int outFeatures, int rank) {
    return new Builder(
        inFeatures, outFeatures, rank, new Nonlinearity.Pointwise(Activation.IDENTITY));
  }

  /**
   * Starts a MoSLoRA specification: φ(Z) = Z Mᵀ.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder mosLora(int inFeatures, int outFeatures, int rank) {
    return new Builder(inFeatures, outFeatures, rank, new Nonlinearity.Mixer());
  }

  /**
   * Starts an AuroRA specification (arXiv 2505.18738) with tanh, both terms, spline mode SUM and
   * the default grid.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder aurora(int inFeatures, int outFeatures, int rank) {
    return new Builder(
        inFeatures,
        outFeatures,
        rank,
        new Nonlinearity.Aurora(Activation.TANH, true, true, SplineMode.SUM, SplineGrid.DEFAULT));
  }

  /**
   * Starts a NoRA specification (arXiv 2602.22911): U = SiLU(Z).
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder nora(int inFeatures, int outFeatures, int rank) {
    return new Builder(inFeatures, outFeatures, rank, new Nonlinearity.Pointwise(Activation.SILU));
  }

  /**
   * Starts a specification of NoRA's SwiGLU variant; A has 2r rows.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder noraSwiGlu(int inFeatures, int outFeatures, int rank) {
    return new Builder(inFeatures, outFeatures, rank, new Nonlinearity.SwiGlu());
  }

  /**
   * Starts a NoLoRA specification (ICLR 2026 submission 6vIc5PdqQV): modulation v and Swish with a
   * learnable β per rank.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @return a builder
   */
  public static Builder noLora(int inFeatures, int outFeatures, int rank) {
    return new Builder(inFeatures, outFeatures, rank, new Nonlinearity.Swish()).modulation();
  }

  /**
   * Starts a NoLoRA specification with a fixed f.
   *
   * @param inFeatures d_in ≥ 1
   * @param outFeatures d_out ≥ 1
   * @param rank r, 1 to {@value #MAX_RANK}
   * @param activation f
   * @return a builder
   */
  public static Builder noLora(int inFeatures, int outFeatures, int rank, Activation activation) {
    return new Builder(inFeatures, outFeatures, rank, new Nonlinearity.Pointwise(activation))
        .modulation();
  }

  /** {@return d_in} */
  public int inFeatures() {
    return inFeatures;
  }

  /** {@return d_out} */
  public int outFeatures() {
    return outFeatures;
  }

  /** {@return r: the columns of B} */
  public int rank() {
    return rank;
  }

  /** {@return r_a: the rows of A, 2r for SwiGLU and r otherwise} */
  public int downRank() {
    return nonlinearity instanceof Nonlinearity.SwiGlu ? 2 * rank : rank;
  }

  /** {@return φ} */
  public Nonlinearity nonlinearity() {
    return nonlinearity;
  }

  /** {@return the default scale s of a call} */
  public float scale() {
    return scale;
  }

  /** {@return the probability of dropping an element of X in training, in [0, 1)} */
  public double inputDropout() {
    return inputDropout;
  }

  /** {@return the probability of dropping a rank unit in training, in [0, 1)} */
  public double hiddenDropout() {
    return hiddenDropout;
  }

  /** {@return how the hidden dropout is drawn} */
  public HiddenDropoutMode hiddenDropoutMode() {
    return hiddenDropoutMode;
  }

  /**
   * Tells whether a training call draws a mask at all.
   *
   * @return whether either probability is above 0
   */
  public boolean hasDropout() {
    return inputDropout > 0 || hiddenDropout > 0;
  }

  /**
   * Tells whether φ acts on the columns of A instead of on Z (AuroRA-S): {@code y += s·B·σ(A)·x}.
   *
   * @return whether it does
   */
  public boolean staticForm() {
    return staticForm;
  }

  /** {@return the parameters that such an adapter has, in the order of the enum} */
  public Set<Parameter> parameters() {
    return parameters;
  }

  /**
   * {@return the shape of one parameter}
   *
   * @param parameter one of {@link #parameters()}
   */
  public long[] shape(Parameter parameter) {
    return switch (parameter) {
      case A -> new long[] {downRank(), inFeatures};
      case A_BIAS -> new long[] {downRank()};
      case MIXER, H -> new long[] {rank, rank};
      case SPLINE -> splineShape();
      case BETA, V -> new long[] {rank};
      case B -> new long[] {outFeatures, rank};
      case B_BIAS, GAIN -> new long[] {outFeatures};
    };
  }

  private long[] splineShape() {
    if (!(nonlinearity instanceof Nonlinearity.Aurora a)) {
      throw new UnsupportedSpecException("spline weights: only AuroRA has them");
    }
    long bases = a.grid().bases();
    return a.mode() == SplineMode.FULL ? new long[] {rank, rank, bases} : new long[] {rank, bases};
  }

  @Override
  public String toString() {
    return nonlinearity + "[" + inFeatures + " -> " + rank + " -> " + outFeatures + "]";
  }

  /** Collects the properties of a specification; {@link #build} checks them. */
  public static final class Builder {
    private final int inFeatures;
    private final int outFeatures;
    private final int rank;
    private final EnumSet<Parameter> optional = EnumSet.noneOf(Parameter.class);
    private Nonlinearity nonlinearity;
    private double alpha;
    private boolean rankStabilised;
    private double scale = Double.NaN;
    private double inputDropout;
    private double hiddenDropout;
    private HiddenDropoutMode hiddenDropoutMode = HiddenDropoutMode.ELEMENT;
    private boolean staticForm;

    private Builder(int inFeatures, int outFeatures, int rank, Nonlinearity nonlinearity) {
      this.inFeatures = inFeatures;
      this.outFeatures = outFeatures;
      this.rank = rank;
      this.nonlinearity = nonlinearity;
      this.alpha = rank;
    }

    /**
     * Sets α of {@code s = α/r}.
     *
     * @param alpha finite
     * @return this builder
     */
    public Builder alpha(double alpha) {
      this.alpha = alpha;
      this.scale = Double.NaN;
      return this;
    }

    /**
     * Makes {@code s = α/√r} (rsLoRA).
     *
     * @return this builder
     */
    public Builder rankStabilised() {
      this.rankStabilised = true;
      return this;
    }

    /**
     * Sets s itself, whatever α and r.
     *
     * @param scale finite
     * @return this builder
     */
    public Builder scale(double scale) {
      if (!Double.isFinite(scale)) {
        throw new UnsupportedSpecException("scale: expected a finite number, came " + scale);
      }
      this.scale = scale;
      return this;
    }

    /**
     * Replaces φ, for combinations without a name of their own.
     *
     * @param nonlinearity the new φ
     * @return this builder
     */
    public Builder nonlinearity(Nonlinearity nonlinearity) {
      this.nonlinearity = Objects.requireNonNull(nonlinearity, "nonlinearity");
      return this;
    }

    /**
     * Chooses AuroRA's spline reading.
     *
     * @param mode SUM, CHANNEL or FULL
     * @return this builder
     * @throws UnsupportedSpecException if this is not AuroRA
     */
    public Builder spline(SplineMode mode) {
      Nonlinearity.Aurora a = aurora("spline mode");
      return nonlinearity(
          new Nonlinearity.Aurora(a.activation(), a.fixedTerm(), a.splineTerm(), mode, a.grid()));
    }

    /**
     * Chooses AuroRA's spline grid.
     *
     * @param grid the knots
     * @return this builder
     * @throws UnsupportedSpecException if this is not AuroRA
     */
    public Builder grid(SplineGrid grid) {
      Nonlinearity.Aurora a = aurora("spline grid");
      return nonlinearity(
          new Nonlinearity.Aurora(a.activation(), a.fixedTerm(), a.splineTerm(), a.mode(), grid));
    }

    /**
     * Chooses AuroRA's activation.
     *
     * @param activation TANH, LEAKY_RELU or SIGMOID
     * @return this builder
     * @throws UnsupportedSpecException if this is not AuroRA
     */
    public Builder activation(Activation activation) {
      Nonlinearity.Aurora a = aurora("activation");
      return nonlinearity(
          new Nonlinearity.Aurora(activation, a.fixedTerm(), a.splineTerm(), a.mode(), a.grid()));
    }

    /**
     * Keeps or drops AuroRA's two terms (the paper's ablations).
     *
     * @param fixedTerm whether {@code act(H act(z))} is there
     * @param splineTerm whether the spline is there
     * @return this builder
     * @throws UnsupportedSpecException if this is not AuroRA, or neither is there
     */
    public Builder terms(boolean fixedTerm, boolean splineTerm) {
      Nonlinearity.Aurora a = aurora("terms");
      return nonlinearity(
          new Nonlinearity.Aurora(a.activation(), fixedTerm, splineTerm, a.mode(), a.grid()));
    }

    private Nonlinearity.Aurora aurora(String property) {
      if (nonlinearity instanceof Nonlinearity.Aurora a) {
        return a;
      }
      throw new UnsupportedSpecException(
          property + ": expected an AuroRA specification, came " + nonlinearity);
    }

    /**
     * Makes φ act on the columns of A (AuroRA-S, static in training too).
     *
     * @return a builder
     */
    public Builder staticForm() {
      this.staticForm = true;
      return this;
    }

    /**
     * Sets the dropout on X.
     *
     * @param probability of dropping an element, in [0, 1)
     * @return this builder
     */
    public Builder inputDropout(double probability) {
      this.inputDropout = probability;
      return this;
    }

    /**
     * Sets the dropout on U.
     *
     * @param probability of dropping a unit, in [0, 1)
     * @param mode per element or per unit
     * @return this builder
     */
    public Builder hiddenDropout(double probability, HiddenDropoutMode mode) {
      this.hiddenDropout = probability;
      this.hiddenDropoutMode = Objects.requireNonNull(mode, "mode");
      return this;
    }

    /**
     * Adds the modulation v.
     *
     * @return this builder
     */
    public Builder modulation() {
      optional.add(Parameter.V);
      return this;
    }

    /**
     * Adds the output gain g.
     *
     * @return this builder
     */
    public Builder gain() {
      optional.add(Parameter.GAIN);
      return this;
    }

    /**
     * Adds the bias a of the down-projection.
     *
     * @return this builder
     */
    public Builder downBias() {
      optional.add(Parameter.A_BIAS);
      return this;
    }

    /**
     * Adds the bias b of the up-projection.
     *
     * @return this builder
     */
    public Builder upBias() {
      optional.add(Parameter.B_BIAS);
      return this;
    }

    private double resolveScale() {
      if (!Double.isNaN(scale)) {
        return scale;
      }
      return alpha / (rankStabilised ? Math.sqrt(rank) : rank);
    }

    /**
     * Checks everything and builds.
     *
     * @return what was built
     * @throws UnsupportedSpecException if a property is out of range, named in the message
     */
    public AdapterSpec build() {
      atLeastOne("inFeatures", inFeatures);
      atLeastOne("outFeatures", outFeatures);
      if (rank < 1 || rank > MAX_RANK) {
        throw new UnsupportedSpecException("rank: expected 1 to " + MAX_RANK + ", came " + rank);
      }
      if (!Float.isFinite((float) resolveScale())) {
        throw new UnsupportedSpecException(
            "scale: expected a finite float, came " + resolveScale());
      }
      probability("inputDropout", inputDropout);
      probability("hiddenDropout", hiddenDropout);
      if (staticForm) {
        aurora("static form");
        if (optional.contains(Parameter.A_BIAS)) {
          throw new UnsupportedSpecException(
              "static form: expected no bias on the down-projection, came one");
        }
      }
      return new AdapterSpec(this);
    }

    private static void atLeastOne(String name, int value) {
      if (value < 1) {
        throw new UnsupportedSpecException(name + ": expected at least 1, came " + value);
      }
    }

    private static void probability(String name, double value) {
      if (!(value >= 0 && value < 1)) {
        throw new UnsupportedSpecException(
            name + ": expected a probability in [0, 1), came " + value);
      }
    }
  }
}
