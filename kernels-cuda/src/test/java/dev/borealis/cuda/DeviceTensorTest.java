package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Graph;
import dev.borealis.merge.Merge;
import dev.borealis.optim.AdamW;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Tensors on the device, and calls that are queued in a stream. */
class DeviceTensorTest extends OnDevice {
  private static final int TOKENS = 37;

  static Stream<Arguments> adapters() {
    return Stream.of(
        Arguments.of(AdapterSpec.aurora(70, 60, 4).spline(SplineMode.SUM).build(), DType.F32),
        Arguments.of(AdapterSpec.aurora(70, 60, 3).staticForm().build(), DType.F32),
        Arguments.of(
            AdapterSpec.noLora(66, 58, 5)
                .gain()
                .upBias()
                .downBias()
                .inputDropout(0.1)
                .hiddenDropout(0.2, HiddenDropoutMode.UNIT)
                .build(),
            DType.BF16),
        Arguments.of(AdapterSpec.mosLora(72, 64, 17).build(), DType.F16));
  }

  private Tensor random(int seed, DType type, long rows, long columns) {
    return CudaShapesTest.random(new SplittableRandom(seed), arena, type, 1, rows, columns);
  }

  private AdapterWeights toDevice(AdapterWeights host) {
    AdapterWeights device = cuda.allocateWeights(host.spec(), arena);
    device.copyFrom(host, stream);
    stream.synchronize();
    return device;
  }

  /** The same bits as with host tensors, whose results the other tests compare with the oracle. */
  @ParameterizedTest
  @MethodSource("adapters")
  void callsInAStreamHaveTheBitsOfOthers(AdapterSpec spec, DType type) {
    AdapterWeights weights = CudaShapesTest.weights(spec, new SplittableRandom(7), arena);
    Tensor x = random(1, type, TOKENS, spec.inFeatures());
    Tensor y = random(2, type, TOKENS, spec.outFeatures());
    Tensor dY = random(3, type, TOKENS, spec.outFeatures());
    Tensor dX = random(4, type, TOKENS, spec.inFeatures());
    Tensor deviceX = toDevice(x);
    Tensor deviceY = toDevice(y);
    Tensor deviceDy = toDevice(dY);
    Tensor deviceDx = toDevice(dX);
    AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
    AdapterGradients deviceGradients = cuda.allocateGradients(spec, arena);
    CallOptions options = new CallOptions(0.7f, Update.ACCUMULATE, 5, 6);
    try (Adapter host = cuda.prepare(weights);
        Adapter device = cuda.prepare(toDevice(weights))) {
      Workspace hostWorkspace = host.workspace(TOKENS, Mode.TRAINING, arena);
      Workspace workspace = device.workspace(TOKENS, Mode.TRAINING, stream, arena);
      assertEquals(Location.cuda(0), workspace.location());
      for (int i = 0; i < 2; i++) {
        host.forward(x, y, options, hostWorkspace);
        host.backward(x, dY, dX, gradients, hostWorkspace);
        device.forward(deviceX, deviceY, options, workspace);
        device.backward(deviceX, deviceDy, deviceDx, deviceGradients, workspace);
      }
      assertArrayEquals(CudaShapesTest.values(y), toHost(deviceY), 0, "y");
      assertArrayEquals(CudaShapesTest.values(dX), toHost(deviceDx), 0, "dX");
      for (Parameter parameter : spec.parameters()) {
        assertArrayEquals(
            CudaShapesTest.values(gradients.get(parameter)),
            toHost(deviceGradients.get(parameter)),
            0,
            "gradient of " + parameter.tensorName());
      }
    }
  }

  /** Nothing comes back to the host between the steps. */
  @ParameterizedTest
  @MethodSource("adapters")
  void trainingOnTheDeviceHasTheBitsOfTrainingOnTheHost(AdapterSpec spec, DType type) {
    AdapterWeights weights = CudaShapesTest.weights(spec, new SplittableRandom(8), arena);
    AdapterWeights deviceWeights = toDevice(weights);
    AdapterGradients gradients = AdapterGradients.allocate(spec, arena);
    AdapterGradients deviceGradients = cuda.allocateGradients(spec, arena);
    AdamW optimiser = AdamW.builder().add("a", weights, gradients).build(arena);
    AdamW deviceOptimiser =
        AdamW.builder().add("a", deviceWeights, deviceGradients).build(cuda, stream, arena);
    Tensor x = random(1, type, TOKENS, spec.inFeatures());
    Tensor dY = random(3, type, TOKENS, spec.outFeatures());
    Tensor y = Tensor.allocate(arena, type, TOKENS, spec.outFeatures());
    Tensor deviceX = toDevice(x);
    Tensor deviceDy = toDevice(dY);
    Tensor deviceY = toDevice(y);
    try (Adapter host = cuda.prepare(weights);
        Adapter device = cuda.prepare(deviceWeights)) {
      Workspace hostWorkspace = host.workspace(TOKENS, Mode.TRAINING, arena);
      Workspace workspace = device.workspace(TOKENS, Mode.TRAINING, stream, arena);
      for (int step = 0; step < 3; step++) {
        CallOptions options = new CallOptions(1, Update.OVERWRITE, 5, step);
        host.forward(x, y, options, hostWorkspace);
        host.backward(x, dY, null, gradients, GradientOptions.OVERWRITE, hostWorkspace);
        optimiser.step(0.01);
        host.repack();
        device.forward(deviceX, deviceY, options, workspace);
        deviceGradients.zero(stream);
        device.backward(deviceX, deviceDy, null, deviceGradients, workspace);
        deviceOptimiser.step(0.01);
        device.repack(stream);
      }
      assertArrayEquals(CudaShapesTest.values(y), toHost(deviceY), 0, "y");
      for (Parameter parameter : spec.parameters()) {
        assertArrayEquals(
            CudaShapesTest.values(weights.get(parameter)),
            toHost(deviceWeights.get(parameter)),
            0,
            parameter.tensorName());
      }
    }
  }

  @Test
  void callsCanBeRecordedInAGraph() {
    AdapterSpec spec = AdapterSpec.aurora(70, 60, 8).build();
    AdapterWeights weights = CudaShapesTest.weights(spec, new SplittableRandom(9), arena);
    Tensor x = cuda.allocateStaging(arena, DType.F32, 5, 70);
    Tensor deviceX = cuda.allocate(arena, DType.F32, 5, 70);
    Tensor deviceY = cuda.allocate(arena, DType.F32, 5, 60);
    Tensor deviceDx = cuda.allocate(arena, DType.F32, 5, 70);
    AdapterGradients gradients = cuda.allocateGradients(spec, arena);
    CallOptions options = CallOptions.of(spec).withOutput(Update.OVERWRITE);
    try (Adapter adapter = cuda.prepare(weights);
        Linear base = cuda.prepareLinear(random(4, DType.F32, 60, 70), null)) {
      Workspace workspace = adapter.workspace(5, Mode.TRAINING, stream, arena);
      int before = StandIn.GPU ? 0 : StandIn.allocations();
      try (Graph graph =
          Graph.capture(
              CudaStreams.of(stream),
              () -> {
                stream.copy(x, deviceX);
                base.forward(deviceX, deviceY, adapter, CallOptions.of(spec), workspace);
                adapter.backward(deviceX, deviceY, deviceDx, gradients, workspace);
                adapter.forward(deviceX, deviceY, options, workspace);
              })) {
        assertTrue(graph.nodeCount() > 5);
        for (int i = 0; i < 2; i++) {
          Tensor next = random(20 + i, DType.F32, 5, 70);
          for (int row = 0; row < 5; row++) {
            for (int column = 0; column < 70; column++) {
              x.set(row, column, next.get(row, column));
            }
          }
          graph.launch(CudaStreams.of(stream));
          double[] recorded = toHost(deviceY);
          Tensor y = Tensor.allocate(arena, DType.F32, 5, 60);
          adapter.forward(next, y, options, adapter.workspace(5, Mode.INFERENCE, arena));
          assertArrayEquals(CudaShapesTest.values(y), recorded, 0);
        }
      }
      assertTrue(StandIn.GPU || StandIn.allocations() >= before);
    }
  }

  @Test
  void aBaseLayerInAStream() {
    for (DType type : DType.values()) {
      Tensor w0 = random(1, type, 45, 51);
      Tensor bias = random(2, DType.F32, 1, 45).part(0, 45);
      Tensor x = random(3, type, 9, 51);
      Tensor y = Tensor.allocate(arena, DType.F32, 9, 45);
      Tensor dX = random(5, DType.F32, 9, 51);
      Tensor deviceX = toDevice(x);
      Tensor deviceY = toDevice(y);
      Tensor deviceDx = toDevice(dX);
      Tensor deviceW0 = toDevice(w0);
      Tensor deviceBias = toDevice(bias);
      stream.synchronize();
      try (Linear host = cuda.prepareLinear(w0, bias);
          Linear device = cuda.prepareLinear(deviceW0, deviceBias)) {
        host.forward(x, y);
        device.forward(deviceX, deviceY, stream);
        assertArrayEquals(CudaShapesTest.values(y), toHost(deviceY), 0);
        host.backward(y, dX, Update.ACCUMULATE);
        device.backward(deviceY, deviceDx, Update.ACCUMULATE, stream);
        assertArrayEquals(CudaShapesTest.values(dX), toHost(deviceDx), 0);
      }
    }
  }

  @Test
  void copiesKeepRowsAndGaps() {
    Tensor from = random(1, DType.BF16, 6, 10);
    Tensor device = toDevice(random(2, DType.BF16, 6, 12));
    Tensor second = toDevice(random(3, DType.BF16, 6, 4));
    stream.copy(from.columnSlice(1, 5), device.columnSlice(3, 7));
    stream.copy(device.columnSlice(3, 7), second);
    stream.zero(device.columnSlice(0, 3));
    double[] rows = toHost(device);
    double[] copies = toHost(second);
    for (int row = 0; row < 6; row++) {
      for (int column = 0; column < 4; column++) {
        assertEquals(from.get(row, column + 1), rows[row * 12 + column + 3]);
        assertEquals(from.get(row, column + 1), copies[row * 4 + column]);
      }
      assertEquals(0, rows[row * 12 + 2]);
    }
  }

  private static void requireMessage(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
  }

  /** By name, with what was expected and what came; nothing is touched. */
  @Test
  void tensorsElsewhereAreRefused() {
    AdapterSpec spec = AdapterSpec.lora(8, 6, 2).build();
    AdapterWeights weights = AdapterWeights.initialise(spec, 1, arena);
    AdapterWeights deviceWeights = toDevice(weights);
    Tensor x = random(1, DType.F32, 3, 8);
    Tensor y = random(2, DType.F32, 3, 6);
    Tensor deviceX = toDevice(x);
    Tensor deviceY = toDevice(y);
    double[] before = toHost(deviceY);
    Backend scalar = Backend.require("scalar");
    try (Adapter adapter = cuda.prepare(weights);
        DeviceStream hostStream = scalar.stream();
        Linear linear = scalar.prepareLinear(random(3, DType.F32, 6, 8), null)) {
      Workspace queued = adapter.workspace(3, Mode.TRAINING, stream, arena);
      Workspace waiting = adapter.workspace(3, Mode.TRAINING, arena);
      Map<String, Executable> refused = new LinkedHashMap<>();
      refused.put(
          "x: expected a tensor on cuda:0, came Tensor[3, 8] F32 on the host",
          () -> adapter.forward(x, deviceY, queued));
      refused.put(
          "y: expected a tensor on cuda:0, came Tensor[3, 6] F32 on the host",
          () -> adapter.forward(deviceX, y, queued));
      refused.put(
          "x: expected a tensor on host, came Tensor[3, 8] F32 on cuda:0",
          () -> adapter.forward(deviceX, deviceY, waiting));
      refused.put(
          "y: expected a tensor on host, came Tensor[3, 6] F32 on cuda:0",
          () -> linear.forward(x, deviceY));
      refused.put(
          "stream: expected one of cuda:0, came one of host",
          () -> adapter.workspace(3, Mode.TRAINING, hostStream, arena));
      refused.put(
          "stream: expected one of host, came one of cuda:0",
          () -> linear.forward(deviceX, deviceY, stream));
      refused.put(
          "lora_A.weight: expected a tensor on host, came Tensor[2, 8] F32 on cuda:0",
          () -> scalar.prepare(deviceWeights));
      refused.put(
          "lora_A.weight: expected a tensor on cuda:0, came Tensor[2, 8] F32 on the host",
          () -> adapter.repack(stream));
      refused.put(
          "gradient of lora_A.weight: expected a tensor on cuda:0, came Tensor[2, 8] F32 on the host",
          () -> {
            adapter.forward(deviceX, toDevice(y), queued);
            adapter.backward(
                deviceX, deviceY, null, AdapterGradients.allocate(spec, arena), queued);
          });
      refused.put(
          "from: expected native memory for a copy to or from cuda:0, came a heap array",
          () -> stream.copy(Tensor.of(new float[24], 3, 8), deviceX));
      refused.forEach(DeviceTensorTest::requireMessage);
      assertThrows(IllegalArgumentException.class, () -> Merge.delta(deviceWeights, arena));
      assertEquals(
          "tensor: expected one on the host, came one on cuda:0; copy it first",
          assertThrows(IllegalStateException.class, () -> deviceX.get(0, 0)).getMessage());
    }
    assertArrayEquals(before, toHost(deviceY), 0);
  }
}
