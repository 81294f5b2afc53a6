package dev.borealis.internal.reference;

import dev.borealis.adapter.LinearKernel;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A base layer of the scalar backend. Sums in double, result rounded once. */
final class ScalarLinear implements LinearKernel {
  // As floats, which hold every type exactly; by rows, because a large layer exceeds one array.
  private final float[][] w0;
  private final double @Nullable [] bias;
  private final ThreadLocal<Buffers> buffers;

  /** One token's input and output. Per thread, because calls of a layer have no workspace. */
  private static final class Buffers {
    final double[] in;
    final double[] out;

    Buffers(int inFeatures, int outFeatures) {
      in = new double[inFeatures];
      out = new double[outFeatures];
    }
  }

  ScalarLinear(Tensor w0, @Nullable Tensor bias) {
    int outFeatures = (int) w0.rows();
    int inFeatures = (int) w0.columns();
    this.w0 = new float[outFeatures][inFeatures];
    double[] values = new double[inFeatures];
    for (int o = 0; o < outFeatures; o++) {
      TensorRows.read(w0, o, values, 0);
      for (int i = 0; i < inFeatures; i++) {
        this.w0[o][i] = (float) values[i];
      }
    }
    this.bias = bias == null ? null : TensorRows.toArray("bias", bias);
    this.buffers = ThreadLocal.withInitial(() -> new Buffers(inFeatures, outFeatures));
  }

  @Override
  public void forward(Tensor x, Tensor y) {
    Buffers token = buffers.get();
    for (long row = 0; row < x.rows(); row++) {
      TensorRows.read(x, row, token.in, 0);
      for (int o = 0; o < token.out.length; o++) {
        token.out[o] = dot(w0[o], token.in) + (bias == null ? 0 : bias[o]);
      }
      TensorRows.write(y, row, token.out, 0, Update.OVERWRITE);
    }
  }

  private static double dot(float[] weights, double[] in) {
    double even = 0;
    double odd = 0;
    int i = 0;
    for (; i < in.length - 1; i += 2) {
      even += weights[i] * in[i];
      odd += weights[i + 1] * in[i + 1];
    }
    return i < in.length ? even + odd + weights[i] * in[i] : even + odd;
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update) {
    Buffers token = buffers.get();
    for (long row = 0; row < dY.rows(); row++) {
      TensorRows.read(dY, row, token.out, 0);
      Arrays.fill(token.in, 0);
      for (int o = 0; o < token.out.length; o++) {
        for (int i = 0; i < token.in.length; i++) {
          token.in[i] += token.out[o] * w0[o][i];
        }
      }
      TensorRows.write(dX, row, token.in, 0, update);
    }
  }

  @Override
  public void close() {
    // Nothing but heap memory is held.
  }
}
