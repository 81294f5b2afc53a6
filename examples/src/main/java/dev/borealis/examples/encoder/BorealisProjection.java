package dev.borealis.examples.encoder;

import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Update;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** One linear layer on Borealis, with its adapter if it has one. */
final class BorealisProjection implements Projection {
  /** The skip connection's gradient is in dX already; the adapters' are of this step alone. */
  private static final GradientOptions GRADIENTS =
      new GradientOptions(Update.ACCUMULATE, Update.OVERWRITE);

  private final Linear linear;
  private final @Nullable AttachedAdapter attached;

  BorealisProjection(Linear linear, @Nullable AttachedAdapter attached) {
    this.linear = linear;
    this.attached = attached;
  }

  @Override
  public void forward(MemorySegment x, MemorySegment y, int rows) {
    Tensor in = matrix(x, rows, linear.inFeatures());
    Tensor out = matrix(y, rows, linear.outFeatures());
    if (attached == null) {
      linear.forward(in, out);
    } else {
      linear.forward(in, out, attached.adapter(), attached.workspace());
    }
  }

  @Override
  public void backward(MemorySegment x, MemorySegment dY, MemorySegment dX, int rows) {
    Tensor dOut = matrix(dY, rows, linear.outFeatures());
    Tensor dIn = matrix(dX, rows, linear.inFeatures());
    linear.backward(dOut, dIn, Update.ACCUMULATE);
    if (attached != null) {
      Tensor in = matrix(x, rows, linear.inFeatures());
      attached
          .adapter()
          .backward(in, dOut, dIn, attached.gradients(), GRADIENTS, attached.workspace());
    }
  }

  private static Tensor matrix(MemorySegment segment, int rows, int columns) {
    return Tensor.of(segment, DType.F32, rows, columns);
  }
}
