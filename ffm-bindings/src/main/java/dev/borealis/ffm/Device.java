package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.ToIntFunction;

/** A CUDA device. Holds nothing that has to be released; may be shared between threads. */
public final class Device {
  private static final int NAME_BYTES = 256;

  private final int ordinal;
  private final int handle;

  private Device(int ordinal, int handle) {
    this.ordinal = ordinal;
    this.handle = handle;
  }

  /**
   * Returns the number of devices.
   *
   * @return 0 or more
   * @throws CudaUnavailableException if there is no driver
   * @throws CudaException if a call fails; a driver without any device fails to initialise
   */
  public static int count() {
    Cuda.initialise();
    return readInt("cuDeviceGetCount", CudaDriver::cuDeviceGetCount);
  }

  /**
   * Returns a device.
   *
   * @param ordinal 0 ≤ ordinal &lt; {@link #count()}
   * @return the device
   * @throws CudaUnavailableException if there is no driver
   * @throws CudaException if a call fails or there is no such device
   */
  public static Device of(int ordinal) {
    Cuda.initialise();
    int handle =
        readInt("cuDeviceGet(" + ordinal + ")", out -> CudaDriver.cuDeviceGet(out, ordinal));
    return new Device(ordinal, handle);
  }

  /**
   * Returns the device's number.
   *
   * @return its position among the devices this process sees
   */
  public int ordinal() {
    return ordinal;
  }

  /**
   * Returns the device's name.
   *
   * @return for example {@code NVIDIA H100 80GB HBM3}
   * @throws CudaException if the call fails
   */
  public String name() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(NAME_BYTES);
      Driver.check(CudaDriver.cuDeviceGetName(out, NAME_BYTES, handle), "cuDeviceGetName");
      return out.getString(0);
    }
  }

  /**
   * Returns the size of the device's memory.
   *
   * @return bytes
   * @throws CudaException if the call fails
   */
  public long totalMemory() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      Driver.check(CudaDriver.cuDeviceTotalMem_v2(out, handle), "cuDeviceTotalMem_v2");
      return out.get(JAVA_LONG, 0);
    }
  }

  /**
   * Returns an attribute.
   *
   * @param attribute which one
   * @return its value, in the unit that the attribute states
   * @throws CudaException if the call fails
   */
  public int attribute(DeviceAttribute attribute) {
    return readInt(
        "cuDeviceGetAttribute(" + attribute + ")",
        out -> CudaDriver.cuDeviceGetAttribute(out, attribute.code(), handle));
  }

  /**
   * Returns the compute capability.
   *
   * @return 10 · major + minor, for example 90
   * @throws CudaException if a call fails
   */
  public int computeCapability() {
    return 10 * attribute(DeviceAttribute.COMPUTE_CAPABILITY_MAJOR)
        + attribute(DeviceAttribute.COMPUTE_CAPABILITY_MINOR);
  }

  int handle() {
    return handle;
  }

  private static int readInt(String call, ToIntFunction<MemorySegment> function) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Driver.check(function.applyAsInt(out), call);
      return out.get(JAVA_INT, 0);
    }
  }
}
