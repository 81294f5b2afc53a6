package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Device memory.
 *
 * <p>Copies and fills are queued in a stream. Host memory of a copy has to stay as it is, and
 * alive, until the stream's work is done. It has to be native memory; copies overlap with other
 * work only if it is pinned ({@link PinnedBuffer}), from other memory the driver copies through a
 * buffer of its own and may wait.
 */
public final class DeviceBuffer extends Resource {
  private final long address;
  private final long byteSize;
  private final @Nullable Stream allocator;
  private final boolean owned;

  private DeviceBuffer(
      Context context, long address, long byteSize, @Nullable Stream allocator, boolean owned) {
    super(context);
    this.owned = owned;
    this.address = address;
    this.byteSize = byteSize;
    this.allocator = allocator;
  }

  /**
   * Allocates device memory, at least 256-byte aligned, with unspecified content. May wait for the
   * device; closing it does wait.
   *
   * @param context the context it lives in
   * @param byteSize 1 or more
   * @return the buffer, to be closed by the caller
   * @throws IllegalStateException if the context is closed
   * @throws IllegalArgumentException if the size isn't positive
   * @throws CudaException if a call fails, for example for lack of memory
   */
  public static DeviceBuffer allocate(Context context, long byteSize) {
    requirePositive(byteSize);
    context.makeCurrent();
    long address =
        allocate(
            "cuMemAlloc_v2(" + byteSize + " bytes)",
            out -> CudaDriver.cuMemAlloc_v2(out, byteSize));
    return register(new DeviceBuffer(context, address, byteSize, null, true));
  }

  /**
   * Allocates device memory in the order of a stream's work, as {@code cuMemAllocAsync} does.
   * Closing it queues the release in the same stream, or waits if that is closed by then.
   *
   * @param stream the stream in whose order the memory may be used; others have to wait for it
   * @param byteSize 1 or more
   * @return the buffer, to be closed by the caller
   * @throws IllegalStateException if the stream is closed
   * @throws IllegalArgumentException if the size isn't positive
   * @throws CudaException if a call fails, for example for lack of memory
   */
  public static DeviceBuffer allocateAsync(Stream stream, long byteSize) {
    requirePositive(byteSize);
    stream.enter();
    long address =
        allocate(
            "cuMemAllocAsync(" + byteSize + " bytes)",
            out -> CudaDriver.cuMemAllocAsync(out, byteSize, stream.handle()));
    return register(new DeviceBuffer(stream.context(), address, byteSize, stream, true));
  }

  /**
   * Returns a view of device memory that is someone else's, such as a part of another buffer: for
   * copies and fills. Closing it releases nothing, and its context doesn't close it.
   *
   * @param context the context that the memory is of
   * @param address of the first byte; nobody checks what is there
   * @param byteSize 1 or more
   * @return the view
   * @throws IllegalArgumentException if the size isn't positive
   */
  public static DeviceBuffer borrow(Context context, long address, long byteSize) {
    requirePositive(byteSize);
    return new DeviceBuffer(context, address, byteSize, null, false);
  }

  /**
   * Returns where the buffer is, for a kernel's arguments.
   *
   * @return a device address
   * @throws IllegalStateException if the buffer is closed
   */
  public long address() {
    requireOpen();
    return address;
  }

  /**
   * Returns the buffer's size.
   *
   * @return bytes
   */
  public long byteSize() {
    return byteSize;
  }

  /**
   * Queues a copy of host memory to the beginning of this buffer.
   *
   * @param source native memory, copied whole
   * @param stream a stream of the same context
   * @throws IllegalStateException if the buffer, the stream or the source's arena is closed
   * @throws IllegalArgumentException if the source is on the heap or the stream of another context
   * @throws IndexOutOfBoundsException if the source is longer than this buffer
   * @throws CudaException if a call fails
   */
  public void copyFrom(MemorySegment source, Stream stream) {
    copyFrom(0, source, stream);
  }

  /**
   * Queues a copy of host memory into this buffer.
   *
   * @param offset where in this buffer, bytes
   * @param source native memory, copied whole
   * @param stream a stream of the same context
   * @throws IllegalStateException if the buffer, the stream or the source's arena is closed
   * @throws IllegalArgumentException if the source is on the heap or the stream of another context
   * @throws IndexOutOfBoundsException if the range isn't inside this buffer
   * @throws CudaException if a call fails
   */
  public void copyFrom(long offset, MemorySegment source, Stream stream) {
    long bytes = source.byteSize();
    requireNative(source);
    begin(offset, bytes, stream);
    int code = CudaDriver.cuMemcpyHtoDAsync_v2(address + offset, source, bytes, stream.handle());
    check(code, "cuMemcpyHtoDAsync_v2", bytes);
  }

  /**
   * Queues a copy of a range of another buffer into this one.
   *
   * @param offset where in this buffer, bytes
   * @param source a buffer of the same context
   * @param sourceOffset where in the source, bytes
   * @param bytes how many; the ranges must not overlap
   * @param stream a stream of the same context
   * @throws IllegalStateException if a buffer or the stream is closed
   * @throws IllegalArgumentException if the source or the stream is of another context
   * @throws IndexOutOfBoundsException if a range isn't inside its buffer
   * @throws CudaException if a call fails
   */
  public void copyFrom(
      long offset, DeviceBuffer source, long sourceOffset, long bytes, Stream stream) {
    requireTogether(source);
    Objects.checkFromIndexSize(sourceOffset, bytes, source.byteSize);
    begin(offset, bytes, stream);
    int code =
        CudaDriver.cuMemcpyDtoDAsync_v2(
            address + offset, source.address + sourceOffset, bytes, stream.handle());
    check(code, "cuMemcpyDtoDAsync_v2", bytes);
  }

  /**
   * Queues a copy of the beginning of this buffer to host memory.
   *
   * @param target native memory, overwritten whole
   * @param stream a stream of the same context
   * @throws IllegalStateException if the buffer, the stream or the target's arena is closed
   * @throws IllegalArgumentException if the target is read-only or on the heap, or the stream of
   *     another context
   * @throws IndexOutOfBoundsException if the target is longer than this buffer
   * @throws CudaException if a call fails
   */
  public void copyTo(MemorySegment target, Stream stream) {
    copyTo(0, target, stream);
  }

  /**
   * Queues a copy of this buffer to host memory.
   *
   * @param offset where in this buffer, bytes
   * @param target native memory, overwritten whole
   * @param stream a stream of the same context
   * @throws IllegalStateException if the buffer, the stream or the target's arena is closed
   * @throws IllegalArgumentException if the target is read-only or on the heap, or the stream of
   *     another context
   * @throws IndexOutOfBoundsException if the range isn't inside this buffer
   * @throws CudaException if a call fails
   */
  public void copyTo(long offset, MemorySegment target, Stream stream) {
    long bytes = target.byteSize();
    requireNative(target);
    if (target.isReadOnly()) {
      throw new IllegalArgumentException("the target of a copy must be writable");
    }
    begin(offset, bytes, stream);
    int code = CudaDriver.cuMemcpyDtoHAsync_v2(target, address + offset, bytes, stream.handle());
    check(code, "cuMemcpyDtoHAsync_v2", bytes);
  }

  /**
   * Queues filling a range of this buffer.
   *
   * @param offset where, bytes
   * @param bytes how many
   * @param value what every byte is set to
   * @param stream a stream of the same context
   * @throws IllegalStateException if the buffer or the stream is closed
   * @throws IllegalArgumentException if the stream is of another context
   * @throws IndexOutOfBoundsException if the range isn't inside this buffer
   * @throws CudaException if a call fails
   */
  public void fill(long offset, long bytes, byte value, Stream stream) {
    begin(offset, bytes, stream);
    int code = CudaDriver.cuMemsetD8Async(address + offset, value, bytes, stream.handle());
    check(code, "cuMemsetD8Async", bytes);
  }

  @Override
  void release() {
    if (!owned) {
      return;
    }
    if (allocator != null && allocator.isOpen()) {
      Driver.check(CudaDriver.cuMemFreeAsync(address, allocator.handle()), "cuMemFreeAsync");
    } else {
      Driver.check(CudaDriver.cuMemFree_v2(address), "cuMemFree_v2");
    }
  }

  private void begin(long offset, long bytes, Stream stream) {
    Objects.checkFromIndexSize(offset, bytes, byteSize);
    requireTogether(stream);
    enter();
  }

  private static long allocate(String call, ToIntFunction<MemorySegment> function) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      Driver.check(function.applyAsInt(out), call);
      return out.get(JAVA_LONG, 0);
    }
  }

  private static void check(int code, String symbol, long bytes) {
    if (code != CudaDriver.CUDA_SUCCESS()) {
      throw Driver.failure(code, symbol + "(" + bytes + " bytes)", "");
    }
  }

  private static void requirePositive(long byteSize) {
    if (byteSize < 1) {
      throw new IllegalArgumentException("a buffer has at least 1 byte, not " + byteSize);
    }
  }

  private static void requireNative(MemorySegment host) {
    if (!host.isNative()) {
      throw new IllegalArgumentException("a copy needs native memory; this segment is on the heap");
    }
  }
}
