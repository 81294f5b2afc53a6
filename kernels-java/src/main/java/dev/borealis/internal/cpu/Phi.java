package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * φ on one {@link Block}, forward and backward. An instance holds copies of φ's parameters; several
 * threads may use it at once, each with its own {@link ThreadScratch}.
 */
abstract class Phi {
  /** r. */
  final int rank;

  Phi(int rank) {
    this.rank = rank;
  }

  /** {@return φ of a specification, with all parameters zero until {@link #pack}} */
  static Phi of(AdapterSpec spec, Arena arena) {
    return switch (spec.nonlinearity()) {
      case Nonlinearity.Pointwise p -> new PointwisePhi(spec.rank(), p.activation());
      case Nonlinearity.Swish s -> new SwishPhi(spec.rank());
      case Nonlinearity.SwiGlu g -> new SwiGluPhi(spec.rank());
      case Nonlinearity.Mixer m -> new MixerPhi(spec.rank(), arena);
      case Nonlinearity.Aurora a -> new AuroraPhi(spec.rank(), a, arena);
    };
  }

  /** Tells whether φ(z) = z, which a caller then need not ask for. */
  boolean isIdentity() {
    return false;
  }

  /** Takes over the parameters. */
  abstract void pack(AdapterWeights weights);

  /**
   * Computes {@code u = φ(z)}.
   *
   * @param z block of r_a rows
   * @param u block of r rows; not z
   * @param width lanes to compute, whole vectors
   */
  abstract void forward(
      MemorySegment z, long z0, MemorySegment u, long u0, int width, ThreadScratch scratch);

  /**
   * Computes {@code dz = Jφᵀ g} and adds the gradients of φ's parameters to their sums.
   *
   * @param z block of r_a rows
   * @param g block of r rows, zero behind the last token
   * @param dz block of r_a rows; neither z nor g
   * @param width lanes to compute, whole vectors
   * @param sums where the parameters' gradients are summed, dense and in their natural shapes
   * @param s0 byte offset of this φ's part; parameters follow each other in the enum's order
   */
  abstract void backward(
      MemorySegment z,
      long z0,
      MemorySegment g,
      long g0,
      MemorySegment dz,
      long dz0,
      int width,
      MemorySegment sums,
      long s0,
      ThreadScratch scratch);

  /** Tells whether a parameter belongs to φ (and its gradient to φ's sums). */
  static boolean owns(Parameter parameter) {
    return switch (parameter) {
      case MIXER, H, SPLINE, BETA -> true;
      default -> false;
    };
  }

  /** Copies a parameter as dense F32 in its natural shape. */
  static void copy(Tensor from, MemorySegment to) {
    TileView view = new TileView();
    int columns = Math.toIntExact(from.columns());
    view.staged(to, columns);
    view.load(from, 0, Math.toIntExact(from.rows()), 0, columns);
  }
}
