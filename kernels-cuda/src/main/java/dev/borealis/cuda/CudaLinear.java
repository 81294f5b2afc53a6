package dev.borealis.cuda;

import dev.borealis.adapter.LinearKernel;
import dev.borealis.adapter.Update;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A base layer on the device. cuBLAS takes W0 as it is, with tensors of its type. What cuBLAS can't
 * do, or all where there is none, goes through our products, which take two packed copies in F32:
 * without cuBLAS they are made at once, else by the first call that needs them.
 */
final class CudaLinear implements LinearKernel {
  private final CudaEngine engine;
  private final Arena arena = Arena.ofShared();
  private final Tensor w0;
  private final long outFeatures;
  private final long inFeatures;
  private final @Nullable Tensor bias;
  private @Nullable PackedLayer packed;

  CudaLinear(CudaEngine engine, Tensor w0, @Nullable Tensor bias) {
    this.engine = engine;
    this.outFeatures = w0.rows();
    this.inFeatures = w0.columns();
    try (CudaQueue queue = new CudaQueue(engine);
        Arena copies = Arena.ofConfined()) {
      this.w0 = engine.allocate(arena, w0.dtype(), w0.shape());
      queue.copy(reachable(w0, copies), this.w0);
      if (bias == null) {
        this.bias = null;
      } else {
        this.bias = engine.allocate(arena, DType.F32, bias.columns());
        Tensor typed = engine.allocate(copies, bias.dtype(), bias.columns());
        queue.copy(reachable(bias, copies), typed);
        spread(typed, 1, DeviceMatrix.of(this.bias), queue);
      }
      if (!engine.usesCublas()) {
        packed = PackedLayer.of(engine, this.w0, queue, arena);
      }
      queue.synchronize();
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** The tensor itself on the device; a dense copy in native memory of one on the host. */
  private static Tensor reachable(Tensor tensor, Arena arena) {
    if (!tensor.location().isHost()) {
      return tensor;
    }
    Tensor copy = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
    DeviceStream.onHost().copy(tensor, copy);
    return copy;
  }

  /** Queues writing a vector into each of n rows of F32. */
  private static void spread(Tensor vector, long n, DeviceMatrix to, CudaQueue queue) {
    DeviceMatrix sameRow = new DeviceMatrix(vector.deviceAddress(), 0, vector.dtype());
    queue
        .arguments()
        .pack
        .run(sameRow, n, vector.columns(), 0, to.address(), to.ld(), 0, 0, false, queue.launches());
  }

  private synchronized PackedLayer packed(CudaQueue queue) {
    PackedLayer layer = packed;
    if (layer == null) {
      layer = PackedLayer.of(engine, w0, queue, arena);
      // Another stream's call may be the next that uses it.
      queue.synchronize();
      packed = layer;
    }
    return layer;
  }

  @Override
  public Location location() {
    return engine.location();
  }

  @Override
  public void forward(Tensor x, Tensor y) {
    inHostQueue(x, y, Update.OVERWRITE, this::forward);
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update) {
    inHostQueue(dY, dX, update, (d, out, n, queue) -> backward(d, out, n, update, queue));
  }

  @Override
  public void forward(Tensor x, Tensor y, DeviceStream stream) {
    if (x.rows() > 0) {
      forward(DeviceMatrix.of(x), DeviceMatrix.of(y), x.rows(), CudaQueue.of(stream));
    }
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update, DeviceStream stream) {
    if (dY.rows() > 0) {
      backward(DeviceMatrix.of(dY), DeviceMatrix.of(dX), dY.rows(), update, CudaQueue.of(stream));
    }
  }

  private void forward(DeviceMatrix x, DeviceMatrix y, long n, CudaQueue queue) {
    // A bias in 16-bit Y would be rounded before the product is added.
    Gemm gemm = bias == null || y.type() == DType.F32 ? gemmFor(x, y, queue) : null;
    if (gemm == null) {
      multiply(x, y, n, packed(queue).forward(), bias, false, queue);
      return;
    }
    if (bias != null) {
      spread(bias, n, y, queue);
    }
    gemm.multiply(
        n,
        outFeatures,
        inFeatures,
        1,
        Gemm.Operand.of(x),
        Gemm.Operand.transposed(DeviceMatrix.of(w0)),
        y,
        bias != null);
  }

  private void backward(DeviceMatrix dY, DeviceMatrix dX, long n, Update update, CudaQueue queue) {
    boolean accumulate = update == Update.ACCUMULATE;
    Gemm gemm = gemmFor(dY, dX, queue);
    if (gemm == null) {
      multiply(dY, dX, n, packed(queue).backward(), null, accumulate, queue);
      return;
    }
    gemm.multiply(
        n,
        inFeatures,
        outFeatures,
        1,
        Gemm.Operand.of(dY),
        Gemm.Operand.of(DeviceMatrix.of(w0)),
        dX,
        accumulate);
  }

  /** cuBLAS in this queue, if it takes these types; or null. */
  private @Nullable Gemm gemmFor(DeviceMatrix in, DeviceMatrix out, CudaQueue queue) {
    return Gemm.combines(in.type(), w0.dtype(), out.type()) ? queue.gemm() : null;
  }

  private static void multiply(
      DeviceMatrix x,
      DeviceMatrix y,
      long n,
      Packed w,
      @Nullable Tensor bias,
      boolean accumulate,
      CudaQueue queue) {
    Arguments arguments = queue.arguments();
    arguments
        .product
        .begin(n, w.columns(), w.rows())
        .streamed(x)
        .weights(w)
        .whole(w.columns())
        .output(y, accumulate, 1, bias == null ? 0 : bias.deviceAddress());
    queue
        .launches()
        .run(
            Kernel.CONTRACT,
            x.type(),
            Splits.ceil(w.rows(), ForwardPass.SHORT_RANKS),
            Splits.ceil(n, 32),
            1,
            ForwardPass.QUEUE_BYTES,
            arguments.productAlone);
  }

  /** A product of tensors on the device. */
  private interface Product {
    void run(DeviceMatrix in, DeviceMatrix out, long n, CudaQueue queue);
  }

  /** With host tensors, in device memory of this call's own. */
  private void inHostQueue(Tensor in, Tensor out, Update update, Product product) {
    if (in.rows() == 0) {
      return;
    }
    Carver device = new Carver();
    Carver host = new Carver();
    Staging.Plan planIn = Staging.plan(device, host, in.rows(), in.columns());
    Staging.Plan planOut = Staging.plan(device, host, out.rows(), out.columns());
    engine.inHostQueue(queue -> {
      try (DeviceBuffer memory = DeviceBuffer.allocate(engine.context(), device.bytes());
          PinnedBuffer pinned = PinnedBuffer.allocate(engine.context(), host.bytes())) {
        Staging stagedIn = new Staging(planIn, memory, pinned, queue.stream());
        Staging stagedOut = new Staging(planOut, memory, pinned, queue.stream());
        stagedIn.upload(in);
        if (update == Update.ACCUMULATE) {
          stagedOut.upload(out);
        }
        product.run(stagedIn.on(in.dtype()), stagedOut.on(out.dtype()), in.rows(), queue);
        stagedOut.download(out);
        queue.synchronize();
        stagedOut.finish(out);
      }
    });
  }

  @Override
  public void close() {
    arena.close();
  }
}
