package dev.borealis.cuda;

import dev.borealis.ffm.Context;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory of the driver's that an arena gives back when it closes. */
final class DeviceMemory {
  private DeviceMemory() {}

  /** Addresses of device memory, which nobody reads through. */
  static MemorySegment device(Context context, long bytes, Arena arena) {
    DeviceBuffer buffer = DeviceBuffer.allocate(context, Math.max(bytes, 1));
    return owned(buffer.address(), bytes, arena, buffer);
  }

  /** Page-locked host memory, zeroed. */
  static MemorySegment pinned(Context context, long bytes, Arena arena) {
    PinnedBuffer buffer = PinnedBuffer.allocate(context, Math.max(bytes, 1));
    buffer.segment().fill((byte) 0);
    return owned(buffer.segment().address(), bytes, arena, buffer);
  }

  private static MemorySegment owned(long address, long bytes, Arena arena, AutoCloseable owner) {
    try {
      return MemorySegment.ofAddress(address).reinterpret(bytes, arena, ignored -> close(owner));
    } catch (RuntimeException e) {
      close(owner);
      throw e;
    }
  }

  private static void close(AutoCloseable owner) {
    try {
      owner.close();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new AssertionError(e); // neither buffer throws a checked one
    }
  }
}
