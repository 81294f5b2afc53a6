package dev.borealis.cuda;

import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The way of one host tensor to the device and back: its rows are copied into page-locked memory,
 * which is copied to the device, and the other way round.
 */
final class Staging {
  private static final int LARGEST_ELEMENT = 4;

  private final Plan plan;
  private final DeviceBuffer device;
  private final MemorySegment host;
  private final Stream stream;

  /**
   * Room on both sides.
   *
   * @param deviceOffset in the scratch's device memory
   * @param hostOffset in its page-locked memory
   * @param ld distance of two rows in elements
   */
  record Plan(long deviceOffset, long hostOffset, long ld) {}

  Staging(Plan plan, DeviceBuffer device, PinnedBuffer pinned, Stream stream) {
    this.plan = plan;
    this.device = device;
    this.host = pinned.segment();
    this.stream = stream;
  }

  /** Room for a matrix of any type, rows at multiples of 16 bytes. */
  static Plan plan(Carver device, Carver host, long rows, long columns) {
    return planWithPitch(device, host, rows, Packed.round(columns, 8));
  }

  /** Room for a dense matrix of any type. */
  static Plan planDense(Carver device, Carver host, long rows, long columns) {
    return planWithPitch(device, host, rows, columns);
  }

  private static Plan planWithPitch(Carver device, Carver host, long rows, long ld) {
    long bytes = Math.multiplyExact(Math.multiplyExact(rows, ld), LARGEST_ELEMENT);
    return new Plan(device.take(bytes), host.take(bytes), ld);
  }

  /** Where a tensor of this type lies on the device. */
  DeviceMatrix on(DType type) {
    return new DeviceMatrix(device.address() + plan.deviceOffset(), plan.ld(), type);
  }

  /** Queues the copy of a tensor to the device. */
  void upload(Tensor tensor) {
    long size = tensor.dtype().byteSize();
    long rowBytes = tensor.columns() * size;
    MemorySegment staged = staged(tensor);
    for (long row = 0; row < tensor.rows(); row++) {
      MemorySegment.copy(
          tensor.segment(),
          row * tensor.rowStride() * size,
          staged,
          row * plan.ld() * size,
          rowBytes);
    }
    device.copyFrom(plan.deviceOffset(), staged, stream);
  }

  /** Queues the copy of the device's rows to page-locked memory; {@link #finish} has to follow. */
  void download(Tensor tensor) {
    device.copyTo(plan.deviceOffset(), staged(tensor), stream);
  }

  /** Copies what has arrived into the tensor. The stream's work must be done. */
  void finish(Tensor tensor) {
    long size = tensor.dtype().byteSize();
    long rowBytes = tensor.columns() * size;
    MemorySegment staged = staged(tensor);
    for (long row = 0; row < tensor.rows(); row++) {
      MemorySegment.copy(
          staged,
          row * plan.ld() * size,
          tensor.segment(),
          row * tensor.rowStride() * size,
          rowBytes);
    }
  }

  private MemorySegment staged(Tensor tensor) {
    return host.asSlice(plan.hostOffset(), tensor.rows() * plan.ld() * tensor.dtype().byteSize());
  }
}
