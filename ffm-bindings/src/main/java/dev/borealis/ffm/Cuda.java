package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Whether the CUDA driver can be used here, and its version.
 *
 * <p>The driver is {@code libcuda.so.1}, found by the system's loader, or the file that the system
 * property {@code borealis.cuda.library} names; read when the driver is first needed. Initialising
 * any class of this package opens nothing and never throws.
 */
public final class Cuda {
  private Cuda() {}

  /**
   * Says why CUDA can't be used here: no driver, too old a driver, no device.
   *
   * @return one line beginning with {@code unavailable: }, or nothing if there is a device
   */
  public static Optional<String> unavailable() {
    Optional<String> reason = NativeLibrary.DRIVER.unavailable();
    if (reason.isPresent()) {
      return reason;
    }
    try {
      return Device.count() > 0
          ? Optional.empty()
          : Optional.of("unavailable: the CUDA driver sees no device");
    } catch (CudaException e) {
      return Optional.of("unavailable: " + e.getMessage());
    }
  }

  /**
   * Returns the CUDA version that the driver supports.
   *
   * @return 1000 · major + 10 · minor, for example 12080
   * @throws CudaUnavailableException if there is no driver
   * @throws CudaException if the call fails
   */
  public static int driverVersion() {
    NativeLibrary.DRIVER.require();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Driver.check(CudaDriver.cuDriverGetVersion(out), "cuDriverGetVersion");
      return out.get(JAVA_INT, 0);
    }
  }

  /**
   * Opens and initialises the driver; the driver takes repeated initialisation as nothing to do.
   */
  static void initialise() {
    NativeLibrary.DRIVER.require();
    Driver.check(CudaDriver.cuInit(0), "cuInit");
  }
}
