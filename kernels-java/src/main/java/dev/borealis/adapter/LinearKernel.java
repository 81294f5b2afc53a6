package dev.borealis.adapter;

import dev.borealis.tensor.Tensor;

/**
 * What a backend implements for one prepared base layer. {@link Linear} has checked every argument.
 * Safe for concurrent calls.
 */
public interface LinearKernel extends AutoCloseable {
  /**
   * Computes {@code Y = x W0ᵀ + b}.
   *
   * @param x [n, d_in]
   * @param y [n, d_out]; overwritten
   */
  void forward(Tensor x, Tensor y);

  /**
   * Computes {@code dX = β·dX + dY W0}.
   *
   * @param dY [n, d_out]
   * @param dX [n, d_in]
   * @param update what happens to the old dX
   */
  void backward(Tensor dY, Tensor dX, Update update);

  @Override
  void close();
}
