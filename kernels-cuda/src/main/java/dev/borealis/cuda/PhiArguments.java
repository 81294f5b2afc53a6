package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import java.lang.foreign.MemorySegment;

/** The struct {@code Phi} in native memory. */
final class PhiArguments {
  private static final long PARTIAL = offset("partial");
  private static final long DOWN_BIAS = offset("downBias");
  private static final long Z = offset("z");
  private static final long U = offset("u");
  private static final long DZ = offset("dz");
  private static final long PARTS = offset("parts");
  private static final long G = offset("g");
  private static final long DA = offset("da");
  private static final long T = offset("t");
  private static final long Q = offset("q");
  private static final long DV_TERMS = offset("dvTerms");
  private static final long D_BETA_TERMS = offset("dBetaTerms");
  private static final long MATRIX = offset("matrix");
  private static final long MATRIX_TRANSPOSED = offset("matrixTransposed");
  private static final long SPLINE = offset("spline");
  private static final long BETA = offset("beta");
  private static final long V = offset("v");
  private static final long LD_Z = offset("ldZ");
  private static final long LD_U = offset("ldU");
  private static final long LD_Q = offset("ldQ");
  private static final long PARTIAL_ROW = offset("partialRow");
  private static final long PARTIAL_STRIDE = offset("partialStride");
  private static final long PARTIALS = offset("partials");
  private static final long N = offset("n");
  private static final long ROWS = offset("rows");
  private static final long R = offset("r");
  private static final long RA = offset("ra");
  private static final long KIND = offset("kind");
  private static final long ACTIVATION = offset("activation");
  private static final long FIXED_TERM = offset("fixedTerm");
  private static final long SPLINE_TERM = offset("splineTerm");
  private static final long SPLINE_MODE = offset("splineMode");
  private static final long GRID_SIZE = offset("gridSize");
  private static final long GRID_MIN = offset("gridMin");
  private static final long SCALE = offset("scale");
  private static final long MASK = offset("mask");

  private final MemorySegment memory;

  PhiArguments(MemorySegment memory) {
    this.memory = memory;
  }

  private static long offset(String member) {
    return Structs.offset(Structs.PHI, member);
  }

  /** Forgets everything, and takes the function, its weights and the number of rows. */
  PhiArguments begin(PhiWeights phi, long n) {
    memory.fill((byte) 0);
    memory.set(JAVA_INT, N, Math.toIntExact(n));
    memory.set(JAVA_INT, ROWS, PhiWeights.rows(n));
    memory.set(JAVA_INT, R, phi.rank());
    memory.set(JAVA_INT, RA, phi.downRank());
    memory.set(JAVA_LONG, LD_Z, phi.ldZ());
    memory.set(JAVA_LONG, LD_U, phi.ldU());
    memory.set(JAVA_LONG, MATRIX, phi.matrix());
    memory.set(JAVA_LONG, MATRIX_TRANSPOSED, phi.matrixTransposed());
    memory.set(JAVA_LONG, SPLINE, phi.spline());
    memory.set(JAVA_LONG, BETA, phi.beta());
    memory.set(JAVA_LONG, V, phi.v());
    function(phi.nonlinearity());
    return this;
  }

  private void function(Nonlinearity nonlinearity) {
    memory.set(JAVA_INT, KIND, kind(nonlinearity));
    switch (nonlinearity) {
      case Nonlinearity.Pointwise p -> memory.set(JAVA_INT, ACTIVATION, code(p.activation()));
      case Nonlinearity.Swish s -> {}
      case Nonlinearity.SwiGlu s -> {}
      case Nonlinearity.Mixer m -> {}
      case Nonlinearity.Aurora a -> {
        memory.set(JAVA_INT, ACTIVATION, code(a.activation()));
        memory.set(JAVA_INT, FIXED_TERM, a.fixedTerm() ? 1 : 0);
        memory.set(JAVA_INT, SPLINE_TERM, a.splineTerm() ? 1 : 0);
        memory.set(JAVA_INT, SPLINE_MODE, code(a.mode()));
        memory.set(JAVA_LONG, LD_Q, Packed.ld(a.grid().bases()));
        grid(memory, GRID_SIZE, GRID_MIN, a.grid());
      }
    }
  }

  /** The number of an enum of arguments.cuh. */
  static int kind(Nonlinearity nonlinearity) {
    return switch (nonlinearity) {
      case Nonlinearity.Pointwise p -> 0;
      case Nonlinearity.Swish s -> 1;
      case Nonlinearity.SwiGlu s -> 2;
      case Nonlinearity.Mixer m -> 3;
      case Nonlinearity.Aurora a -> 4;
    };
  }

  static int code(SplineMode mode) {
    return switch (mode) {
      case SUM -> 0;
      case CHANNEL -> 1;
      case FULL -> 2;
    };
  }

  static int code(Activation activation) {
    return switch (activation) {
      case IDENTITY -> 0;
      case RELU -> 1;
      case LEAKY_RELU -> 2;
      case GELU -> 3;
      case GELU_TANH -> 4;
      case SILU -> 5;
      case TANH -> 6;
      case SIGMOID -> 7;
    };
  }

  /** Writes the grid: min and 1/h as sums of two floats, one after the other. */
  static void grid(MemorySegment memory, long sizeAt, long minAt, SplineGrid grid) {
    memory.set(JAVA_INT, sizeAt, grid.size());
    float min = (float) grid.min();
    float inverse = (float) (1 / grid.step());
    memory.set(JAVA_FLOAT, minAt, min);
    memory.set(JAVA_FLOAT, minAt + 4, (float) (grid.min() - min));
    memory.set(JAVA_FLOAT, minAt + 8, inverse);
    memory.set(JAVA_FLOAT, minAt + 12, (float) (1 / grid.step() - inverse));
  }

  /** Shares of Z or dU, of which the sum times the scale counts. */
  PhiArguments shares(Shares shares, float scale) {
    memory.set(JAVA_LONG, PARTIAL, shares.address());
    memory.set(JAVA_INT, PARTIALS, Math.toIntExact(shares.count()));
    memory.set(JAVA_LONG, PARTIAL_STRIDE, shares.stride());
    memory.set(JAVA_LONG, PARTIAL_ROW, shares.ld());
    memory.set(JAVA_FLOAT, SCALE, scale);
    return this;
  }

  /** Where U or dZ goes as BF16 parts. */
  PhiArguments parts(long address) {
    memory.set(JAVA_LONG, PARTS, address);
    return this;
  }

  PhiArguments downBias(long address) {
    memory.set(JAVA_LONG, DOWN_BIAS, address);
    return this;
  }

  PhiArguments z(long address) {
    memory.set(JAVA_LONG, Z, address);
    return this;
  }

  PhiArguments u(long address) {
    memory.set(JAVA_LONG, U, address);
    return this;
  }

  PhiArguments dz(long address) {
    memory.set(JAVA_LONG, DZ, address);
    return this;
  }

  /** Where the terms of the gradients of φ's own parameters go. */
  PhiArguments terms(long g, long da, long t, long q, long dv, long dBeta) {
    memory.set(JAVA_LONG, G, g);
    memory.set(JAVA_LONG, DA, da);
    memory.set(JAVA_LONG, T, t);
    memory.set(JAVA_LONG, Q, q);
    memory.set(JAVA_LONG, DV_TERMS, dv);
    memory.set(JAVA_LONG, D_BETA_TERMS, dBeta);
    return this;
  }

  MemorySegment mask() {
    return memory.asSlice(MASK, Structs.DROPOUT.byteSize());
  }
}
