package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Many BF16 tokens in a stream, whose products are cuBLAS's: beside the oracle. */
class PartProductsTest extends OnDevice {
  private static final int TOKENS = CudaEngine.PART_TOKENS + 5;
  private static final int MANY_TOKENS = Splits.TALL_TOKENS + 5;

  /** Of a BF16 result: half its last place, and what the parts of U leave out. */
  private static final double ROUNDED = 0x1p-8;

  /** Of gradients, in F32. */
  private static final double TOLERANCE = 3e-5;

  static Stream<Arguments> adapters() {
    return Stream.of(
        // Two products forward, four backward.
        Arguments.of(AdapterSpec.aurora(72, 136, 20).build(), DType.F32, 6),
        Arguments.of(AdapterSpec.nora(70, 66, 17).build(), DType.BF16, 6),
        Arguments.of(AdapterSpec.noLora(40, 72, 33).gain().build(), DType.BF16, 6),
        Arguments.of(AdapterSpec.noraSwiGlu(40, 72, 24).build(), DType.F32, 6),
        Arguments.of(AdapterSpec.lora(33, 31, 130).build(), DType.F32, 6),
        Arguments.of(
            AdapterSpec.nora(40, 72, 24).hiddenDropout(0.2, HiddenDropoutMode.ELEMENT).build(),
            DType.F32,
            6),
        // The up-projection's are our own with a bias, the down-projection's with a mask on X.
        Arguments.of(AdapterSpec.nora(40, 72, 24).upBias().build(), DType.F32, 3),
        Arguments.of(AdapterSpec.nora(40, 72, 24).inputDropout(0.2).build(), DType.F32, 3),
        // Those with φ(A) too, but for the gradient by it.
        Arguments.of(AdapterSpec.aurora(40, 72, 18).staticForm().build(), DType.F32, 4));
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void theResultsAreTheOracles(AdapterSpec spec, DType weightType, int products) {
    step(spec, weightType, TOKENS, products);
  }

  /** From here on ranks to 16 take this way forward too. */
  @Test
  void smallRanks() {
    step(AdapterSpec.aurora(40, 72, 3).build(), DType.F32, MANY_TOKENS, 6);
    step(AdapterSpec.aurora(40, 72, 3).build(), DType.F32, TOKENS, 4);
  }

  private void step(AdapterSpec spec, DType weightType, int tokens, int products) {
    SplittableRandom random = new SplittableRandom(spec.rank());
    AdapterWeights drawn = CudaShapesTest.weights(spec, random, arena);
    AdapterWeights weights = CudaShapesTest.converted(drawn, weightType, arena);
    Tensor x = CudaShapesTest.random(random, arena, DType.BF16, 1, tokens, spec.inFeatures());
    double bound = 3 / Math.sqrt(spec.outFeatures());
    Tensor dY = CudaShapesTest.random(random, arena, DType.BF16, bound, tokens, spec.outFeatures());
    CallOptions options = new CallOptions(spec.scale(), Update.OVERWRITE, 77, 5);
    Map<String, double[]> expected =
        new CudaShapesTest.Step(spec, weights, x, dY, options).expected();
    Tensor deviceX = toDevice(x);
    Tensor deviceDy = toDevice(dY);
    Tensor y = cuda.allocate(arena, DType.BF16, tokens, spec.outFeatures());
    Tensor dX = cuda.allocate(arena, DType.BF16, tokens, spec.inFeatures());
    AdapterGradients gradients = cuda.allocateGradients(spec, arena);
    try (Adapter adapter = cuda.prepare(weights)) {
      Workspace workspace = adapter.workspace(tokens, Mode.TRAINING, stream, arena);
      int before = StandIn.GPU ? 0 : StandIn.products();
      adapter.forward(deviceX, y, options, workspace);
      adapter.backward(deviceX, deviceDy, dX, gradients, GradientOptions.OVERWRITE, workspace);
      stream.synchronize();
      if (!StandIn.GPU) {
        assertEquals(products, StandIn.products() - before, "products by cuBLAS");
      }
      Map<String, double[]> actual = new LinkedHashMap<>();
      actual.put("y", toHost(y));
      actual.put("dX", toHost(dX));
      for (Parameter parameter : spec.parameters()) {
        actual.put(parameter.tensorName(), toHost(gradients.get(parameter)));
      }
      assertEquals(expected.keySet(), actual.keySet());
      expected.forEach((name, values) -> {
        boolean rounded = name.equals("y") || name.equals("dX");
        double[] came = actual.getOrDefault(name, new double[0]);
        CudaShapesTest.requireClose(name, values, came, rounded ? ROUNDED : TOLERANCE);
      });
    }
  }
}
