package dev.borealis.internal.reference;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import java.util.Map;

/**
 * φ and its derivative in double precision, one token at a time: z [r_a] to u [r]. Vectors are
 * ranges of arrays, beginning at an offset. Immutable and safe for all threads; allocates nothing.
 */
public abstract sealed class Phi
    permits AuroraPhi, Phi.Pointwise, Phi.Swish, Phi.SwiGlu, Phi.Mixer {
  /**
   * {@return the φ of a specification}
   *
   * @param spec the adapter's specification
   * @param parameters values of the specification's parameters, dense and row-major; not copied
   */
  public static Phi of(AdapterSpec spec, Map<Parameter, double[]> parameters) {
    int rank = spec.rank();
    return switch (spec.nonlinearity()) {
      case Nonlinearity.Pointwise p -> new Pointwise(rank, p.activation());
      case Nonlinearity.Swish s -> new Swish(rank, Parameters.require(parameters, Parameter.BETA));
      case Nonlinearity.SwiGlu s -> new SwiGlu(rank);
      case Nonlinearity.Mixer m -> new Mixer(rank, Parameters.require(parameters, Parameter.MIXER));
      case Nonlinearity.Aurora a -> new AuroraPhi(rank, a, parameters);
    };
  }

  /** The rank r. */
  final int rank;

  Phi(int rank) {
    this.rank = rank;
  }

  /** {@return the length of the scratch that the methods take} */
  public int workLength() {
    return 0;
  }

  /**
   * Computes u = φ(z).
   *
   * @param z array with z [r_a]
   * @param zAt where z begins
   * @param u array for u [r], overwritten
   * @param uAt where u begins
   * @param work scratch of {@link #workLength}
   */
  public abstract void forward(double[] z, int zAt, double[] u, int uAt, double[] work);

  /**
   * Computes dz = Jφᵀ g, and adds the token's share to the gradients of φ's own parameters.
   *
   * @param z array with z [r_a]
   * @param zAt where z begins
   * @param g array with g [r], the gradient by φ(z)
   * @param gAt where g begins
   * @param dz array for dz [r_a], overwritten
   * @param dzAt where dz begins
   * @param gradients by parameter, dense; accumulated
   * @param work scratch of {@link #workLength}
   */
  public abstract void backward(
      double[] z,
      int zAt,
      double[] g,
      int gAt,
      double[] dz,
      int dzAt,
      Map<Parameter, double[]> gradients,
      double[] work);

  /** u = f(z). */
  static final class Pointwise extends Phi {
    private final Activation activation;

    Pointwise(int rank, Activation activation) {
      super(rank);
      this.activation = activation;
    }

    @Override
    public void forward(double[] z, int zAt, double[] u, int uAt, double[] work) {
      for (int i = 0; i < rank; i++) {
        u[uAt + i] = Functions.value(activation, z[zAt + i]);
      }
    }

    @Override
    public void backward(
        double[] z,
        int zAt,
        double[] g,
        int gAt,
        double[] dz,
        int dzAt,
        Map<Parameter, double[]> gradients,
        double[] work) {
      for (int i = 0; i < rank; i++) {
        dz[dzAt + i] = g[gAt + i] * Functions.slope(activation, z[zAt + i]);
      }
    }
  }

  /** u = z q with q = sigmoid(βz): f' = q + βz q(1 − q), df/dβ = z² q(1 − q). */
  static final class Swish extends Phi {
    private final double[] beta;

    Swish(int rank, double[] beta) {
      super(rank);
      this.beta = beta;
    }

    @Override
    public void forward(double[] z, int zAt, double[] u, int uAt, double[] work) {
      for (int i = 0; i < rank; i++) {
        double zi = z[zAt + i];
        u[uAt + i] = zi * Functions.sigmoid(beta[i] * zi);
      }
    }

    @Override
    public void backward(
        double[] z,
        int zAt,
        double[] g,
        int gAt,
        double[] dz,
        int dzAt,
        Map<Parameter, double[]> gradients,
        double[] work) {
      double[] dBeta = Parameters.require(gradients, Parameter.BETA);
      for (int i = 0; i < rank; i++) {
        double zi = z[zAt + i];
        double q = Functions.sigmoid(beta[i] * zi);
        dz[dzAt + i] = g[gAt + i] * (q + beta[i] * zi * q * (1 - q));
        dBeta[i] += g[gAt + i] * zi * zi * q * (1 - q);
      }
    }
  }

  /** u = SiLU(z1) ⊙ z2, z = (z1, z2). */
  static final class SwiGlu extends Phi {
    SwiGlu(int rank) {
      super(rank);
    }

    @Override
    public void forward(double[] z, int zAt, double[] u, int uAt, double[] work) {
      for (int i = 0; i < rank; i++) {
        u[uAt + i] = Functions.value(Activation.SILU, z[zAt + i]) * z[zAt + rank + i];
      }
    }

    @Override
    public void backward(
        double[] z,
        int zAt,
        double[] g,
        int gAt,
        double[] dz,
        int dzAt,
        Map<Parameter, double[]> gradients,
        double[] work) {
      for (int i = 0; i < rank; i++) {
        double z1 = z[zAt + i];
        double z2 = z[zAt + rank + i];
        dz[dzAt + i] = g[gAt + i] * z2 * Functions.slope(Activation.SILU, z1);
        dz[dzAt + rank + i] = g[gAt + i] * Functions.value(Activation.SILU, z1);
      }
    }
  }

  /** u = M z: dz = Mᵀ g, dM = g zᵀ. */
  static final class Mixer extends Phi {
    private final double[] mixer;

    Mixer(int rank, double[] mixer) {
      super(rank);
      this.mixer = mixer;
    }

    @Override
    public void forward(double[] z, int zAt, double[] u, int uAt, double[] work) {
      Vectors.multiply(mixer, rank, rank, z, zAt, u, uAt);
    }

    @Override
    public void backward(
        double[] z,
        int zAt,
        double[] g,
        int gAt,
        double[] dz,
        int dzAt,
        Map<Parameter, double[]> gradients,
        double[] work) {
      Vectors.multiplyTransposed(mixer, rank, rank, g, gAt, dz, dzAt);
      double[] dM = Parameters.require(gradients, Parameter.MIXER);
      Vectors.addOuter(dM, g, gAt, rank, z, zAt, rank);
    }
  }
}
