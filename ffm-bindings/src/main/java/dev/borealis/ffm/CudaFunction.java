package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A kernel. Holds nothing of its own: it lives as long as its module. */
public final class CudaFunction {
  private final CudaModule module;
  private final String name;
  private final MemorySegment handle;
  private final long @Nullable [] parameterSizes;

  CudaFunction(CudaModule module, String name, MemorySegment handle) {
    this.module = module;
    this.name = name;
    this.handle = handle;
    this.parameterSizes =
        NativeLibrary.has("cuFuncGetParamInfo") ? readParameterSizes(name, handle) : null;
  }

  /**
   * Returns the kernel's name.
   *
   * @return the name it was looked up by
   */
  public String name() {
    return name;
  }

  /**
   * Returns the module.
   *
   * @return the module this kernel is part of
   */
  public CudaModule module() {
    return module;
  }

  /**
   * Returns an attribute.
   *
   * @param attribute which one
   * @return its value, in the unit that the attribute states
   * @throws IllegalStateException if the module is closed
   * @throws CudaException if a call fails
   */
  public int attribute(FunctionAttribute attribute) {
    module.enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Driver.check(
          CudaDriver.cuFuncGetAttribute(out, attribute.code(), handle),
          "cuFuncGetAttribute(" + name + ", " + attribute + ")");
      return out.get(JAVA_INT, 0);
    }
  }

  /**
   * Sets an attribute, for all later launches of this kernel.
   *
   * @param attribute one that says that it can be set
   * @param value its value
   * @throws IllegalStateException if the module is closed
   * @throws CudaException if a call fails or the value isn't possible on this device
   */
  public void setAttribute(FunctionAttribute attribute, int value) {
    module.enter();
    Driver.check(
        CudaDriver.cuFuncSetAttribute(handle, attribute.code(), value),
        "cuFuncSetAttribute(" + name + ", " + attribute + " = " + value + ")");
  }

  /**
   * Returns how many blocks of this kernel a multiprocessor can hold at once.
   *
   * @param threads threads in a block
   * @param dynamicSharedBytes dynamic shared memory of a block, bytes
   * @return blocks, 0 if not even one fits
   * @throws IllegalStateException if the module is closed
   * @throws CudaException if a call fails
   */
  public int maxActiveBlocksPerMultiprocessor(int threads, long dynamicSharedBytes) {
    module.enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Driver.check(
          CudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
              out, handle, threads, dynamicSharedBytes),
          "cuOccupancyMaxActiveBlocksPerMultiprocessor(" + name + ")");
      return out.get(JAVA_INT, 0);
    }
  }

  /**
   * Returns a new launch of this kernel, to be set up once and used many times.
   *
   * @return the launch; it needs no closing
   */
  public Launch launch() {
    return new Launch(this);
  }

  MemorySegment handle() {
    return handle;
  }

  /** The sizes of the kernel's parameters in bytes; null if the driver can't tell. */
  long @Nullable [] parameterSizes() {
    return parameterSizes;
  }

  private static long[] readParameterSizes(String name, MemorySegment handle) {
    long[] sizes = new long[Launch.MAX_PARAMETERS];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment offset = arena.allocate(JAVA_LONG);
      MemorySegment size = arena.allocate(JAVA_LONG);
      for (int i = 0; i < sizes.length; i++) {
        int code = CudaDriver.cuFuncGetParamInfo(handle, i, offset, size);
        if (code == CudaDriver.CUDA_ERROR_INVALID_VALUE()) { // behind the last one
          return Arrays.copyOf(sizes, i);
        }
        Driver.check(code, "cuFuncGetParamInfo(" + name + ", " + i + ")");
        sizes[i] = size.get(JAVA_LONG, 0);
      }
    }
    return sizes;
  }
}
