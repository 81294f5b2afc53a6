package dev.borealis.ffm;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Page-locked host memory, for copies that overlap with other work. */
public final class PinnedBuffer extends Resource {
  private final MemorySegment address;
  private final Arena arena;
  private final MemorySegment segment;

  private PinnedBuffer(Context context, MemorySegment address, long byteSize) {
    super(context);
    this.address = address;
    this.arena = Arena.ofShared();
    this.segment = address.reinterpret(byteSize, arena, null);
  }

  /**
   * Allocates page-locked memory with unspecified content.
   *
   * @param context the context it lives in
   * @param byteSize 1 or more
   * @return the buffer, to be closed by the caller, when no copy from or to it is under way
   * @throws IllegalStateException if the context is closed
   * @throws IllegalArgumentException if the size isn't positive
   * @throws CudaException if a call fails, for example for lack of memory
   */
  public static PinnedBuffer allocate(Context context, long byteSize) {
    if (byteSize < 1) {
      throw new IllegalArgumentException("a buffer has at least 1 byte, not " + byteSize);
    }
    context.makeCurrent();
    MemorySegment address =
        Driver.create(
            "cuMemHostAlloc(" + byteSize + " bytes)",
            out -> CudaDriver.cuMemHostAlloc(out, byteSize, CudaDriver.CU_MEMHOSTALLOC_PORTABLE()));
    return register(new PinnedBuffer(context, address, byteSize));
  }

  /**
   * Returns the memory.
   *
   * @return a segment that any thread may use, until this buffer is closed
   * @throws IllegalStateException if the buffer is closed
   */
  public MemorySegment segment() {
    requireOpen();
    return segment;
  }

  @Override
  void release() {
    arena.close();
    Driver.check(CudaDriver.cuMemFreeHost(address), "cuMemFreeHost");
  }
}
