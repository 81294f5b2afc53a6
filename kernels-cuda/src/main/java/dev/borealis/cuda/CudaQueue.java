package dev.borealis.cuda;

import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A CUDA stream with launches of its own, for what needs no workspace. For one thread at a time.
 */
final class CudaQueue implements DeviceStream.Queue {
  private final CudaEngine engine;
  private final Stream stream;
  private final Launches launches;
  private final Arguments arguments = new Arguments(Arena.ofAuto());

  private @Nullable Gemm gemm;

  /** Without cuBLAS: quickly made. */
  CudaQueue(CudaEngine engine) {
    this.engine = engine;
    this.stream = Stream.create(engine.context());
    try {
      this.launches = new Launches(engine.module(), stream);
    } catch (RuntimeException e) {
      stream.close();
      throw e;
    }
  }

  /** For calls of base layers too: with cuBLAS where it is to be used. */
  static CudaQueue withGemm(CudaEngine engine) {
    CudaQueue queue = new CudaQueue(engine);
    try {
      queue.gemm = engine.gemm(queue.stream);
      return queue;
    } catch (RuntimeException e) {
      queue.close();
      throw e;
    }
  }

  /** Products by cuBLAS in this queue, or null. */
  @Nullable Gemm gemm() {
    return gemm;
  }

  /** The queue behind a stream. */
  static CudaQueue of(DeviceStream stream) {
    if (stream.queue() instanceof CudaQueue queue) {
      return queue;
    }
    throw new IllegalArgumentException(
        "stream: expected one of backend cuda, came another backend's");
  }

  Stream stream() {
    return stream;
  }

  Launches launches() {
    return launches;
  }

  Arguments arguments() {
    return arguments;
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    if (from.rows() == 0 || from.columns() == 0) {
      return;
    }
    if (from.isDense() && to.isDense()) {
      copy(from, 0, to, 0, from.rows() * rowBytes(from));
      return;
    }
    for (long row = 0; row < from.rows(); row++) {
      copy(from, row * pitch(from), to, row * pitch(to), rowBytes(from));
    }
  }

  private void copy(Tensor from, long fromAt, Tensor to, long toAt, long bytes) {
    if (to.location().isHost()) {
      MemorySegment target = to.segment().asSlice(toAt, bytes);
      if (from.location().isHost()) {
        target.copyFrom(from.segment().asSlice(fromAt, bytes));
      } else {
        buffer(from, fromAt, bytes).copyTo(target, stream);
      }
    } else if (from.location().isHost()) {
      buffer(to, toAt, bytes).copyFrom(from.segment().asSlice(fromAt, bytes), stream);
    } else {
      buffer(to, toAt, bytes).copyFrom(0, buffer(from, fromAt, bytes), 0, bytes, stream);
    }
  }

  @Override
  public void zero(Tensor tensor) {
    if (tensor.rows() == 0 || tensor.columns() == 0) {
      return;
    }
    boolean dense = tensor.isDense();
    long bytes = dense ? tensor.rows() * rowBytes(tensor) : rowBytes(tensor);
    for (long row = 0; row < (dense ? 1 : tensor.rows()); row++) {
      buffer(tensor, row * pitch(tensor), bytes).fill(0, bytes, (byte) 0, stream);
    }
  }

  private static long rowBytes(Tensor tensor) {
    return tensor.columns() * tensor.dtype().byteSize();
  }

  private static long pitch(Tensor tensor) {
    return tensor.rowStride() * tensor.dtype().byteSize();
  }

  private DeviceBuffer buffer(Tensor tensor, long at, long bytes) {
    return DeviceBuffer.borrow(engine.context(), tensor.deviceAddress() + at, bytes);
  }

  @Override
  public void synchronize() {
    stream.synchronize();
  }

  @Override
  public void close() {
    if (stream.isOpen()) {
      try {
        stream.synchronize();
      } finally {
        if (gemm != null) {
          gemm.close();
        }
        stream.close();
      }
    }
  }
}
