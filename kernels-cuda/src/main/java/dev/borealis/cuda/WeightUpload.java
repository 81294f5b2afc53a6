package dev.borealis.cuda;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of an adapter on the device, to be packed there: those that are there already, and
 * copies of those on the host. Closing it waits for the copies and what was queued behind them.
 */
final class WeightUpload implements AutoCloseable {
  private final Map<Parameter, DeviceMatrix> matrices = new EnumMap<>(Parameter.class);
  private final CudaQueue queue;
  private @Nullable DeviceBuffer copies;

  WeightUpload(CudaEngine engine, AdapterWeights weights, CudaQueue queue) {
    this.queue = queue;
    Carver carver = new Carver();
    Map<Parameter, Long> offsets = new EnumMap<>(Parameter.class);
    for (Parameter parameter : weights.parameters()) {
      Tensor tensor = weights.get(parameter);
      if (tensor.location().isHost()) {
        offsets.put(parameter, carver.take(bytes(tensor)));
      } else {
        matrices.put(parameter, DeviceMatrix.of(tensor));
      }
    }
    if (offsets.isEmpty()) {
      return;
    }
    DeviceBuffer buffer = DeviceBuffer.allocate(engine.context(), carver.bytes());
    copies = buffer;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(carver.bytes(), 256);
      offsets.forEach((parameter, offset) -> {
        Tensor tensor = weights.get(parameter);
        copyRows(tensor, host.asSlice(offset, bytes(tensor)));
        matrices.put(
            parameter,
            new DeviceMatrix(buffer.address() + offset, tensor.columns(), tensor.dtype()));
      });
      buffer.copyFrom(host, queue.stream());
      queue.synchronize();
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
  }

  private static long bytes(Tensor tensor) {
    return tensor.rows() * tensor.columns() * tensor.dtype().byteSize();
  }

  static void copyRows(Tensor tensor, MemorySegment dense) {
    long size = tensor.dtype().byteSize();
    long rowBytes = tensor.columns() * size;
    for (long row = 0; row < tensor.rows(); row++) {
      MemorySegment.copy(
          tensor.segment(), row * tensor.rowStride() * size, dense, row * rowBytes, rowBytes);
    }
  }

  /** Where a parameter's tensor lies. */
  DeviceMatrix on(Parameter parameter) {
    DeviceMatrix matrix = matrices.get(parameter);
    if (matrix == null) {
      throw new IllegalArgumentException(parameter.tensorName() + ": expected one of the weights");
    }
    return matrix;
  }

  @Override
  public void close() {
    if (copies != null) {
      try {
        queue.synchronize();
      } finally {
        copies.close();
      }
    }
  }
}
