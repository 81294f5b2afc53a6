package dev.borealis.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Packing arguments and launching allocate nothing, once compiled. */
class LaunchAllocationTest {
  private static final int LAUNCHES = 20_000;
  private static final int ROUNDS = 100;

  @BeforeEach
  void load() throws Exception {
    StandIn.load();
  }

  @Test
  void aLaunchAllocatesNothing() throws Throwable {
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, Scenario.MODULE);
        DeviceBuffer data = DeviceBuffer.allocate(context, 4)) {
      Launch launch = module.function("axpy").launch();
      MethodHandle allocated = allocatedBytes();
      assertTheCounterCounts(allocated);
      long least = Long.MAX_VALUE;
      // As many rounds as the compiler needs; which round is free of allocation doesn't matter.
      for (int round = 0; round < ROUNDS && least > 0; round++) {
        long before = (long) allocated.invokeExact();
        launchMany(launch, data, stream);
        least = Math.min(least, (long) allocated.invokeExact() - before);
      }
      assertEquals(0, least, "bytes in " + LAUNCHES + " launches");
    }
  }

  private static void assertTheCounterCounts(MethodHandle allocated) throws Throwable {
    long before = (long) allocated.invokeExact();
    byte[] array = new byte[1 << 16];
    long bytes = (long) allocated.invokeExact() - before;
    assertTrue(bytes >= array.length, () -> bytes + " bytes for an array of " + array.length);
  }

  private static void launchMany(Launch launch, DeviceBuffer data, Stream stream) {
    for (int i = 0; i < LAUNCHES; i++) {
      launch.grid(1 + i % 7).arguments().pointer(data).pointer(data).int32(1).float32(i).on(stream);
    }
  }

  /** By name, because the module under test doesn't read jdk.management. */
  private static MethodHandle allocatedBytes() throws ReflectiveOperationException {
    Class<?> bean = Class.forName("com.sun.management.ThreadMXBean");
    Object threads =
        Class.forName("java.lang.management.ManagementFactory")
            .getMethod("getThreadMXBean")
            .invoke(null);
    return MethodHandles.publicLookup()
        .findVirtual(bean, "getCurrentThreadAllocatedBytes", MethodType.methodType(long.class))
        .bindTo(threads);
  }
}
