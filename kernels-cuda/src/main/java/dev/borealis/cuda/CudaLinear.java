package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.borealis.adapter.LinearKernel;
import dev.borealis.adapter.Update;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A base layer on the device, for host tensors: W0 and its transpose in F32, as the products take
 * them. A call takes memory for its tensors, and gives it back.
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
    boolean low = false;
    buffer = DeviceBuffer.allocate(engine.context(), carver.bytes());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(carver.bytes(), 256);
      for (long o = 0; o < out; o++) {
        for (long i = 0; i < in; i++) {
          float value = w0.get(o, i);
          low |= (Float.floatToRawIntBits(value) & 0x1fff) != 0;
          host.set(JAVA_FLOAT, forwardAt + (o * Packed.ld(in) + i) * 4, value);
          host.set(JAVA_FLOAT, backwardAt + (i * Packed.ld(out) + o) * 4, value);
        }
        if (bias != null) {
          host.set(JAVA_FLOAT, biasAt + o * 4, bias.get(0, o));
        }
      }
      buffer.copyFrom(host, engine.stream());
      engine.stream().synchronize();
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
    long base = buffer.address();
    forward = new Packed(base + forwardAt, Math.toIntExact(out), Math.toIntExact(in), low);
    backward = new Packed(base + backwardAt, Math.toIntExact(in), Math.toIntExact(out), low);
    biasAddress = bias == null ? 0 : base + biasAt;
  }

  @Override
  public void forward(Tensor x, Tensor y) {
    multiply(x, y, forward, biasAddress, Update.OVERWRITE);
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update) {
    multiply(dY, dX, backward, 0, update);
  }

  private void multiply(Tensor x, Tensor y, Packed w, long bias, Update update) {
    if (x.rows() == 0) {
      return;
    }
    Carver device = new Carver();
    Carver host = new Carver();
    Staging.Plan planX = Staging.plan(device, host, x.rows(), x.columns());
    Staging.Plan planY = Staging.plan(device, host, y.rows(), y.columns());
    try (Stream stream = Stream.create(engine.context());
        DeviceBuffer memory = DeviceBuffer.allocate(engine.context(), device.bytes());
        PinnedBuffer pinned = PinnedBuffer.allocate(engine.context(), host.bytes());
        Arena arena = Arena.ofConfined()) {
      Staging in = new Staging(planX, memory, pinned, stream);
      Staging out = new Staging(planY, memory, pinned, stream);
      boolean accumulate = update == Update.ACCUMULATE;
      in.upload(x);
      if (accumulate) {
        out.upload(y);
      }
      Arguments arguments = new Arguments(arena);
      arguments
          .product
          .begin(x.rows(), w.columns(), w.rows())
          .streamed(in.on(x.dtype()))
          .weights(w)
          .whole(w.columns())
          .output(out.on(y.dtype()), accumulate, 1, bias);
      new Launches(engine.module(), stream)
          .run(
              Kernel.CONTRACT,
              x.dtype(),
              Splits.ceil(w.rows(), 32),
              Splits.ceil(x.rows(), 32),
              1,
              ForwardPass.CONTRACT_BYTES,
              arguments.productAlone);
      out.download(y);
      stream.synchronize();
      out.finish(y);
    }
  }

  @Override
  public void close() {
    buffer.close();
  }
}
