package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Parameter;
import dev.borealis.internal.dropout.DropoutMask;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * One token's way through an adapter, forward and backward, in double precision: the formulas of
 * {@link AdapterSpec}, a vector at a time. Holds the buffers, so it belongs to one call at a time;
 * allocates only when it is made.
 */
final class TokenPass {
  /** In: x [d_in]; {@link #forward} and {@link #backward} mask it in place. */
  final double[] x;

  /** Out: the branch's part of y [d_out]. */
  final double[] y;

  /** Out: m_h ⊙ v ⊙ φ(z) [r]. */
  final double[] u;

  /** In: dY [d_out]. */
  final double[] dY;

  /** Out: the branch's part of dX [d_in]. */
  final double[] dX;

  /** Scratch of {@link Branch#finish} too. */
  final double[] dU;

  final double[] dZ;
  final double[] work;
  final double[] column;

  private final double[] phiZ;
  private final double[] gY;
  private final float[] inputMask;
  private final float[] hiddenMask;
  private final MemorySegment inputMaskSegment;
  private final MemorySegment hiddenMaskSegment;

  TokenPass(Branch branch) {
    AdapterSpec spec = branch.spec;
    x = new double[spec.inFeatures()];
    y = new double[spec.outFeatures()];
    u = new double[spec.rank()];
    dY = new double[spec.outFeatures()];
    dX = new double[spec.inFeatures()];
    dU = new double[spec.rank()];
    dZ = new double[spec.downRank()];
    work = new double[branch.phi.workLength()];
    column = new double[spec.downRank()];
    phiZ = new double[spec.rank()];
    gY = new double[spec.outFeatures()];
    inputMask = new float[spec.inputDropout() > 0 ? spec.inFeatures() : 0];
    hiddenMask = new float[spec.hiddenDropout() > 0 ? spec.rank() : 0];
    inputMaskSegment = MemorySegment.ofArray(inputMask);
    hiddenMaskSegment = MemorySegment.ofArray(hiddenMask);
  }

  /**
   * From x to z, u and y.
   *
   * @param masked whether dropout is drawn
   * @param row the token's number in the call
   * @param z array for z [r_a], overwritten
   * @param zAt where z begins
   */
  void forward(Branch branch, CallOptions options, boolean masked, long row, double[] z, int zAt) {
    AdapterSpec spec = branch.spec;
    if (masked) {
      drawMasks(spec, options, row);
      mask(x, inputMask);
    }
    Vectors.multiply(branch.down, dZ.length, x.length, x, 0, z, zAt);
    if (branch.downBias != null) {
      Vectors.add(z, zAt, 1, branch.downBias, 0, dZ.length);
    }
    hidden(branch, masked, z, zAt);
    Vectors.multiply(branch.up, y.length, u.length, u, 0, y, 0);
    for (int o = 0; o < y.length; o++) {
      y[o] *= gain(branch, options, o);
      if (branch.upBias != null) {
        y[o] += branch.upBias[o];
      }
    }
  }

  private void drawMasks(AdapterSpec spec, CallOptions options, long row) {
    if (spec.inputDropout() > 0) {
      DropoutMask.fill(
          spec.inputDropout(),
          options.seed(),
          options.step(),
          DropoutMask.INPUT,
          false,
          x.length,
          inputMaskSegment,
          0,
          x.length,
          row,
          1,
          0,
          x.length);
    }
    if (spec.hiddenDropout() > 0) {
      DropoutMask.fill(
          spec.hiddenDropout(),
          options.seed(),
          options.step(),
          DropoutMask.HIDDEN,
          spec.hiddenDropoutMode() == HiddenDropoutMode.UNIT,
          u.length,
          hiddenMaskSegment,
          0,
          u.length,
          row,
          1,
          0,
          u.length);
    }
  }

  /** Does nothing for an empty mask: there is no such dropout. */
  private static void mask(double[] values, float[] mask) {
    for (int i = 0; i < mask.length; i++) {
      values[i] *= mask[i];
    }
  }

  /** phiZ = φ(z), u = m_h ⊙ v ⊙ φ(z); in the static form φ is in the down-projection already. */
  private void hidden(Branch branch, boolean masked, double[] z, int zAt) {
    if (branch.spec.staticForm()) {
      System.arraycopy(z, zAt, phiZ, 0, phiZ.length);
    } else {
      branch.phi.forward(z, zAt, phiZ, 0, work);
    }
    for (int j = 0; j < u.length; j++) {
      u[j] = branch.modulation == null ? phiZ[j] : branch.modulation[j] * phiZ[j];
    }
    if (masked) {
      mask(u, hiddenMask);
    }
  }

  /** s·g_o. */
  private static double gain(Branch branch, CallOptions options, int o) {
    return branch.gain == null ? options.scale() : options.scale() * branch.gain[o];
  }

  /**
   * From x, z and dY to dX and the gradients, which it adds to. In the static form A's gradient
   * holds that by φ(A) until {@link Branch#finish}.
   *
   * @param masked whether the forward call drew dropout
   * @param row the token's number in the call
   * @param z array with the forward call's z
   * @param zAt where z begins
   * @param gradients of all parameters, dense
   * @param parameters whether they are wanted; if not, their content afterwards means nothing
   */
  void backward(
      Branch branch,
      CallOptions options,
      boolean masked,
      long row,
      double[] z,
      int zAt,
      Map<Parameter, double[]> gradients,
      boolean parameters) {
    if (masked) {
      drawMasks(branch.spec, options, row);
      mask(x, inputMask);
    }
    hidden(branch, masked, z, zAt);
    for (int o = 0; o < gY.length; o++) {
      gY[o] = gain(branch, options, o) * dY[o];
    }
    if (parameters) {
      upGradients(branch, options, gradients);
    }
    Vectors.multiplyTransposed(branch.up, gY.length, dU.length, gY, 0, dU, 0);
    if (masked) {
      mask(dU, hiddenMask);
    }
    if (branch.modulation != null) {
      double[] dV = Parameters.require(gradients, Parameter.V);
      for (int j = 0; j < dU.length; j++) {
        dV[j] += dU[j] * phiZ[j];
        dU[j] *= branch.modulation[j];
      }
    }
    if (branch.spec.staticForm()) {
      System.arraycopy(dU, 0, dZ, 0, dZ.length);
    } else {
      branch.phi.backward(z, zAt, dU, 0, dZ, 0, gradients, work);
    }
    if (parameters) {
      downGradients(branch, gradients);
    }
    Vectors.multiplyTransposed(branch.down, dZ.length, dX.length, dZ, 0, dX, 0);
    if (masked) {
      mask(dX, inputMask);
    }
  }

  private void upGradients(Branch branch, CallOptions options, Map<Parameter, double[]> gradients) {
    double[] dB = Parameters.require(gradients, Parameter.B);
    Vectors.addOuter(dB, gY, 0, gY.length, u, 0, u.length);
    if (branch.upBias != null) {
      Vectors.add(Parameters.require(gradients, Parameter.B_BIAS), 0, 1, dY, 0, dY.length);
    }
    if (branch.gain != null) {
      double[] dG = Parameters.require(gradients, Parameter.GAIN);
      for (int o = 0; o < dG.length; o++) {
        double up = Vectors.dot(branch.up, o * u.length, u, 0, u.length);
        dG[o] += options.scale() * dY[o] * up;
      }
    }
  }

  private void downGradients(Branch branch, Map<Parameter, double[]> gradients) {
    double[] dA = Parameters.require(gradients, Parameter.A);
    Vectors.addOuter(dA, dZ, 0, dZ.length, x, 0, x.length);
    if (branch.downBias != null) {
      Vectors.add(Parameters.require(gradients, Parameter.A_BIAS), 0, 1, dZ, 0, dZ.length);
    }
  }
}
