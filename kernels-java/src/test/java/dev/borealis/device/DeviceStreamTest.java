package dev.borealis.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.OverlapException;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Backends;
import java.lang.foreign.Arena;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Streams of the backends that work on the host, and tensors that aren't there. */
class DeviceStreamTest {
  static java.util.stream.Stream<Backend> backends() {
    return Backends.all();
  }

  private static Tensor onDevice(Arena arena, DType type, long... shape) {
    // Memory of the host's, taken for a device's: nobody may look at it.
    return Tensor.onDevice(
        Location.cuda(1), arena.allocate(Tensor.byteSize(type, shape)), type, shape);
  }

  private static void refused(
      Class<? extends RuntimeException> type, String message, Supplier<Object> call) {
    assertEquals(message, assertThrows(type, call::get).getMessage());
  }

  /** Calls a method without a result. */
  private static Supplier<Object> run(Runnable call) {
    return () -> {
      call.run();
      return call;
    };
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theSameProgramRunsOnTheHost(Backend backend) {
    AdapterSpec spec = AdapterSpec.lora(5, 4, 2).build();
    try (Arena arena = Arena.ofShared();
        DeviceStream stream = backend.stream()) {
      AdapterWeights source = AdapterWeights.initialise(spec, 1, arena);
      AdapterWeights weights = backend.allocateWeights(spec, arena);
      weights.copyFrom(source, stream);
      Tensor x = backend.allocateStaging(arena, DType.F32, 3, 5);
      x.set(1, 2, 7);
      Tensor deviceX = backend.allocate(arena, DType.F32, 3, 5);
      Tensor y = backend.allocate(arena, DType.F32, 3, 4);
      stream.copy(x, deviceX);
      try (Adapter adapter = backend.prepare(weights)) {
        Workspace workspace = adapter.workspace(3, Mode.INFERENCE, stream, arena);
        adapter.forward(deviceX, y, workspace);
        adapter.repack(stream);
      }
      stream.synchronize();
      assertEquals(7, deviceX.get(1, 2));
      stream.zero(deviceX.columnSlice(2, 3));
      assertEquals(0, deviceX.get(1, 2));
    }
  }

  @Test
  void whatAStreamCantDoIsRefused() {
    DeviceStream stream = Backend.require("scalar").stream();
    try (Arena arena = Arena.ofConfined()) {
      Tensor a = Tensor.allocate(arena, DType.F32, 2, 3);
      Tensor device = onDevice(arena, DType.F32, 2, 3);
      refused(
          IllegalArgumentException.class,
          "from: expected a tensor on host, came Tensor[2, 3] F32 on cuda:1",
          run(() -> stream.copy(device, a)));
      refused(
          ShapeMismatchException.class,
          "to: expected the shape of Tensor[2, 3] F32, came Tensor[3, 2] F32",
          run(() -> stream.copy(a, Tensor.allocate(arena, DType.F32, 3, 2))));
      refused(
          DTypeMismatchException.class,
          "to: expected F32, came BF16",
          run(() -> stream.copy(a, Tensor.allocate(arena, DType.BF16, 2, 3))));
      refused(
          OverlapException.class,
          "to: expected memory apart from from's, came some that they share",
          run(() -> stream.copy(a, a)));
      stream.close();
      refused(
          IllegalStateException.class,
          "stream: expected an open one, came a closed one",
          run(() -> stream.zero(a)));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aDevicesTensorsAreRefusedByName(Backend backend) {
    AdapterSpec spec = AdapterSpec.lora(5, 4, 2).build();
    try (Arena arena = Arena.ofShared()) {
      AdapterWeights weights = AdapterWeights.initialise(spec, 1, arena);
      Tensor x = onDevice(arena, DType.F32, 3, 5);
      Tensor y = Tensor.allocate(arena, DType.F32, 3, 4);
      try (Adapter adapter = backend.prepare(weights)) {
        Workspace workspace = adapter.workspace(3, Mode.INFERENCE, arena);
        refused(
            IllegalArgumentException.class,
            "x: expected a tensor on host, came Tensor[3, 5] F32 on cuda:1",
            run(() -> adapter.forward(x, y, workspace)));
      }
      refused(
          IllegalArgumentException.class,
          "w0: expected a tensor on host, came Tensor[3, 5] F32 on cuda:1",
          () -> backend.prepareLinear(x, null));
    }
  }

  @Test
  void javaNeverTouchesADevicesMemory() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor device = onDevice(arena, DType.F32, 4, 6);
      String message = "tensor: expected one on the host, came one on cuda:1; copy it first";
      refused(IllegalStateException.class, message, () -> device.get(0, 0));
      refused(IllegalStateException.class, message, run(() -> device.set(0, 0, 1)));
      refused(IllegalStateException.class, message, device::segment);
      refused(
          IllegalStateException.class,
          "tensor: expected one on a device, came one on the host",
          () -> Tensor.allocate(arena, DType.F32, 1).deviceAddress());
      Tensor part = device.rowSlice(1, 3).columnSlice(2, 4);
      assertEquals(device.deviceAddress() + (6 + 2) * 4, part.deviceAddress());
      assertEquals(Location.cuda(1), part.location());
      assertTrue(device.overlaps(part));
      assertFalse(device.columnSlice(0, 2).overlaps(part));
    }
  }

  @Test
  void theSameAddressElsewhereIsOtherMemory() {
    try (Arena arena = Arena.ofConfined()) {
      var memory = arena.allocate(64);
      Tensor host = Tensor.of(memory, DType.F32, 16);
      Tensor device = Tensor.onDevice(Location.cuda(0), memory, DType.F32, 16);
      assertFalse(host.overlaps(device));
      assertTrue(device.overlaps(device.part(3, 2, 2)));
      assertFalse(device.overlaps(Tensor.onDevice(Location.cuda(1), memory, DType.F32, 16)));
    }
  }

  @Test
  void partsOfADenseTensor() {
    Tensor whole = Tensor.of(new float[12], 3, 4);
    Tensor part = whole.part(5, 2, 3);
    part.set(1, 0, 9);
    assertEquals(9, whole.get(2, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> whole.part(7, 2, 3));
    assertThrows(ShapeMismatchException.class, () -> whole.columnSlice(0, 2).part(0, 2));
  }
}
