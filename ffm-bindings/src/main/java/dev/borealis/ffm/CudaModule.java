package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Device code loaded into a context: a cubin, a fatbin or PTX. */
public final class CudaModule extends Resource {
  private static final int LOG_BYTES = 8192;
  private static final int IMAGE_ALIGNMENT = 64;

  private final MemorySegment handle;

  private CudaModule(Context context, MemorySegment handle) {
    super(context);
    this.handle = handle;
  }

  /**
   * Loads device code; PTX is compiled by the driver.
   *
   * @param context the context to load it into
   * @param image the whole file; PTX needs no terminating zero
   * @return the module, to be closed by the caller, when no kernel of it is running
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails: no code for this device, bad PTX (its message has the
   *     compiler's log), lack of memory
   */
  public static CudaModule load(Context context, byte[] image) {
    context.makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment code = arena.allocate(image.length + 1L, IMAGE_ALIGNMENT);
      MemorySegment.copy(image, 0, code, JAVA_BYTE, 0, image.length);
      MemorySegment log = arena.allocate(LOG_BYTES);
      MemorySegment options =
          arena.allocateFrom(
              JAVA_INT,
              CudaDriver.CU_JIT_ERROR_LOG_BUFFER(),
              CudaDriver.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES());
      // The driver takes option values as pointers; a number is passed as if it were an address.
      MemorySegment values = arena.allocate(ADDRESS, 2);
      values.setAtIndex(ADDRESS, 0, log);
      values.setAtIndex(ADDRESS, 1, MemorySegment.ofAddress(LOG_BYTES - 1));

      MemorySegment out = arena.allocate(ADDRESS);
      int result = CudaDriver.cuModuleLoadDataEx(out, code, 2, options, values);
      if (result != CudaDriver.CUDA_SUCCESS()) {
        throw Driver.failure(
            result, "cuModuleLoadDataEx(" + image.length + " bytes)", log.getString(0).strip());
      }
      return register(new CudaModule(context, out.get(ADDRESS, 0)));
    }
  }

  /**
   * Returns a kernel of this module.
   *
   * @param name its name in the binary: mangled, unless declared {@code extern "C"}
   * @return the kernel, usable until the module is closed
   * @throws IllegalStateException if the module is closed
   * @throws CudaException if a call fails or there is no such kernel
   */
  public CudaFunction function(String name) {
    enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment symbol = arena.allocateFrom(name);
      MemorySegment function =
          Driver.create(
              "cuModuleGetFunction(" + name + ")",
              out -> CudaDriver.cuModuleGetFunction(out, handle, symbol));
      return new CudaFunction(this, name, function);
    }
  }

  @Override
  void release() {
    Driver.check(CudaDriver.cuModuleUnload(handle), "cuModuleUnload");
  }
}
