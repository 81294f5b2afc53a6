package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.Location;
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

  /** {@return where the tensors of calls with a stream are} */
  default Location location() {
    return Location.HOST;
  }

  /**
   * As {@link #forward(Tensor, Tensor)}, queued in a stream, with tensors at {@link #location()}.
   *
   * @param x [n, d_in]
   * @param y [n, d_out]; overwritten
   * @param stream of this backend
   */
  default void forward(Tensor x, Tensor y, DeviceStream stream) {
    forward(x, y);
  }

  /**
   * As {@link #backward(Tensor, Tensor, Update)}, queued in a stream, with tensors at {@link
   * #location()}.
   *
   * @param dY [n, d_out]
   * @param dX [n, d_in]
   * @param update what happens to the old dX
   * @param stream of this backend
   */
  default void backward(Tensor dY, Tensor dX, Update update, DeviceStream stream) {
    backward(dY, dX, update);
  }

  @Override
  void close();
}
