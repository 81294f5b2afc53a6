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
 * A base layer on the device: W0 and its transpose in F32, as the products take them. A call with
 * host tensors takes memory for them, and gives it back.
 */
final class CudaLinear implements LinearKernel {
  private final CudaEngine engine;
  private final DeviceBuffer buffer;
  private final Packed forward;
  private final Packed backward;
  private final long biasAddress;

  CudaLinear(CudaEngine engine, Tensor w0, @Nullable Tensor bias) {
    this.engine = engine;
    long out = w0.rows();
    long in = w0.columns();
    Carver carver = new Carver();
    long forwardAt = carver.floats(Packed.floats(out, in));
    long backwardAt = carver.floats(Packed.floats(in, out));
    long biasAt = carver.floats(bias == null ? 0 : out);
    buffer = DeviceBuffer.allocate(engine.context(), carver.bytes());
    long base = buffer.address();
    boolean low = w0.dtype() == DType.F32;
    forward = new Packed(base + forwardAt, Math.toIntExact(out), Math.toIntExact(in), low);
    backward = new Packed(base + backwardAt, Math.toIntExact(in), Math.toIntExact(out), low);
    biasAddress = bias == null ? 0 : base + biasAt;
    try (CudaQueue queue = new CudaQueue(engine);
        Arena arena = Arena.ofConfined()) {
      buffer.fill(0, carver.bytes(), (byte) 0, queue.stream());
      Tensor source = onDevice(w0, queue, arena);
      pack(source, forward, false, queue);
      pack(source, backward, true, queue);
      if (bias != null) {
        DeviceMatrix b = DeviceMatrix.of(onDevice(bias, queue, arena));
        queue.arguments().pack.run(b, 1, out, 0, biasAddress, out, false, queue.launches());
      }
      queue.synchronize();
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
  }

  /** The tensor itself, or a copy. */
  private Tensor onDevice(Tensor tensor, CudaQueue queue, Arena arena) {
    if (!tensor.location().isHost()) {
      return tensor;
    }
    Tensor copy = engine.allocate(arena, tensor.dtype(), tensor.shape());
    Tensor dense = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
    WeightUpload.copyRows(tensor, dense.segment());
    queue.copy(dense, copy);
    return copy;
  }

  private static void pack(Tensor w0, Packed to, boolean transposed, CudaQueue queue) {
    queue
        .arguments()
        .pack
        .run(
            DeviceMatrix.of(w0),
            w0.rows(),
            w0.columns(),
            0,
            to.address(),
            to.ld(),
            transposed,
            queue.launches());
  }

  @Override
  public Location location() {
    return engine.location();
  }

  @Override
  public void forward(Tensor x, Tensor y) {
    multiply(x, y, forward, biasAddress, Update.OVERWRITE);
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update) {
    multiply(dY, dX, backward, 0, update);
  }

  @Override
  public void forward(Tensor x, Tensor y, DeviceStream stream) {
    multiply(x, y, forward, biasAddress, Update.OVERWRITE, CudaQueue.of(stream));
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update, DeviceStream stream) {
    multiply(dY, dX, backward, 0, update, CudaQueue.of(stream));
  }

  private static void multiply(
      Tensor x, Tensor y, Packed w, long bias, Update update, CudaQueue queue) {
    if (x.rows() > 0) {
      multiply(DeviceMatrix.of(x), DeviceMatrix.of(y), x.rows(), w, bias, update, queue);
    }
  }

  private static void multiply(
      DeviceMatrix x, DeviceMatrix y, long n, Packed w, long bias, Update update, CudaQueue queue) {
    Arguments arguments = queue.arguments();
    arguments
        .product
        .begin(n, w.columns(), w.rows())
        .streamed(x)
        .weights(w)
        .whole(w.columns())
        .output(y, update == Update.ACCUMULATE, 1, bias);
    queue
        .launches()
        .run(
            Kernel.CONTRACT,
            x.type(),
            Splits.ceil(w.rows(), 32),
            Splits.ceil(n, 32),
            1,
            ForwardPass.CONTRACT_BYTES,
            arguments.productAlone);
  }

  /** With host tensors, in memory of this call's own. */
  private void multiply(Tensor x, Tensor y, Packed w, long bias, Update update) {
    if (x.rows() == 0) {
      return;
    }
    Carver device = new Carver();
    Carver host = new Carver();
    Staging.Plan planX = Staging.plan(device, host, x.rows(), x.columns());
    Staging.Plan planY = Staging.plan(device, host, y.rows(), y.columns());
    try (CudaQueue queue = new CudaQueue(engine);
        DeviceBuffer memory = DeviceBuffer.allocate(engine.context(), device.bytes());
        PinnedBuffer pinned = PinnedBuffer.allocate(engine.context(), host.bytes())) {
      Staging in = new Staging(planX, memory, pinned, queue.stream());
      Staging out = new Staging(planY, memory, pinned, queue.stream());
      in.upload(x);
      if (update == Update.ACCUMULATE) {
        out.upload(y);
      }
      multiply(in.on(x.dtype()), out.on(y.dtype()), x.rows(), w, bias, update, queue);
      out.download(y);
      queue.synchronize();
      out.finish(y);
    }
  }

  @Override
  public void close() {
    buffer.close();
  }
}
