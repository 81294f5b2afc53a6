package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.ToIntFunction;

/** Checks of driver results. */
final class Driver {
  private Driver() {}

  /** Throws if a driver call failed. */
  static void check(int code, String call) {
    if (code != CudaDriver.CUDA_SUCCESS()) {
      throw failure(code, call, "");
    }
  }

  /** Makes a call that writes a handle, checks it and returns the handle. */
  static MemorySegment create(String call, ToIntFunction<MemorySegment> function) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      check(function.applyAsInt(out), call);
      return out.get(ADDRESS, 0);
    }
  }

  /** {@return the exception for a failed call; the driver's own description, then the detail} */
  static CudaException failure(int code, String call, String detail) {
    String name = text(out -> CudaDriver.cuGetErrorName(code, out), "unknown error");
    String description = text(out -> CudaDriver.cuGetErrorString(code, out), "");
    boolean both = !description.isEmpty() && !detail.isEmpty();
    return new CudaException(code, name, call, description + (both ? ": " : "") + detail);
  }

  private static String text(ToIntFunction<MemorySegment> function, String otherwise) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      int code = function.applyAsInt(out);
      MemorySegment text = out.get(CudaDriver.C_POINTER, 0);
      boolean known = code == CudaDriver.CUDA_SUCCESS() && text.address() != 0;
      return known ? text.getString(0) : otherwise;
    }
  }
}
