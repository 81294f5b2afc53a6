package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Update;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Device;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Base layers by cuBLAS and by our products, every combination of types. */
class CudaLinearTest {
  private static final int IN = 53;
  private static final int OUT = 37;
  private static final int TOKENS = 21;

  static Stream<Arguments> layers() {
    return Stream.of(true, false)
        .flatMap(cublas ->
            Stream.of(true, false)
                .flatMap(bias ->
                    Stream.of(DType.values())
                        .flatMap(w ->
                            Stream.of(DType.values())
                                .flatMap(x ->
                                    Stream.of(x, DType.F32)
                                        .distinct()
                                        .map(y -> Arguments.of(cublas, bias, w, x, y))))));
  }

  private static double place(DType type) {
    return type == DType.F32 ? 0 : type == DType.BF16 ? 0x1p-8 : 0x1p-11;
  }

  @ParameterizedTest
  @MethodSource("layers")
  void layersAgreeWithTheSum(boolean cublas, boolean withBias, DType w, DType x, DType y) {
    SplittableRandom random = new SplittableRandom(4);
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      CudaEngine engine =
          new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(0, cublas));
      Tensor w0 = CudaShapesTest.random(random, arena, w, 1, OUT, IN);
      Tensor bias =
          withBias ? CudaShapesTest.random(random, arena, w, 1, 1, OUT).part(0, OUT) : null;
      Tensor hostX = CudaShapesTest.random(random, arena, x, 1, TOKENS, IN);
      Tensor hostY = Tensor.allocate(arena, y, TOKENS, OUT);
      Tensor hostDx = Tensor.allocate(arena, y, TOKENS, IN);
      Tensor deviceX = engine.allocate(arena, x, TOKENS, IN);
      Tensor deviceY = engine.allocate(arena, y, TOKENS, OUT);
      Tensor deviceDx = engine.allocate(arena, y, TOKENS, IN);
      Tensor hostDy = CudaShapesTest.random(random, arena, x, 1, TOKENS, OUT);
      Tensor deviceDy = engine.allocate(arena, x, TOKENS, OUT);
      int before = StandIn.GPU ? 0 : StandIn.products();
      try (Linear layer = new Linear(IN, OUT, engine.prepareLinear(w0, bias));
          DeviceStream stream = new DeviceStream(engine.location(), engine.queue())) {
        stream.copy(hostX, deviceX);
        stream.copy(hostDy, deviceDy);
        layer.forward(deviceX, deviceY, stream);
        layer.backward(deviceDy, deviceDx, Update.OVERWRITE, stream);
        layer.backward(deviceDy, deviceDx, Update.ACCUMULATE, stream);
        stream.copy(deviceY, hostY);
        stream.copy(deviceDx, hostDx);
        stream.synchronize();
      }
      boolean combined = cublas && x == w;
      int forward = combined && (!withBias || y == DType.F32) ? 1 : 0;
      int expected = forward + (combined ? 2 : 0);
      assertTrue(StandIn.GPU || StandIn.products() - before == expected);
      for (int row = 0; row < TOKENS; row++) {
        for (int o = 0; o < OUT; o++) {
          double sum = bias == null ? 0 : bias.get(0, o);
          for (int i = 0; i < IN; i++) {
            sum += (double) hostX.get(row, i) * w0.get(o, i);
          }
          assertEquals(sum, hostY.get(row, o), 2e-5 + place(y) * Math.abs(sum));
        }
        for (int i = 0; i < IN; i++) {
          double sum = 0;
          for (int o = 0; o < OUT; o++) {
            sum += (double) hostDy.get(row, o) * w0.get(o, i);
          }
          // Rounded twice: the first result is added to.
          assertEquals(2 * sum, hostDx.get(row, i), 4e-5 + 4 * place(y) * Math.abs(sum));
        }
      }
    }
  }
}
