package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.borealis.internal.HeapBytes;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Once compiled, no kernel allocates. A kernel that lost its vector code allocates each vector,
 * tens of kilobytes a call, and nothing but its speed would tell.
 */
@Tag("widths")
class AllocationTest {

  private static final int COUNT = 1024;
  private static final int CALLS = 200;
  // Batches until one is free of allocations; compiling takes a few dozen on an idle machine.
  private static final int MAX_BATCHES = 20_000;

  static Stream<Arguments> kernels() {
    MemorySegment z = Floats.filled(COUNT, 0.3f);
    MemorySegment g = Floats.filled(COUNT, 0.7f);
    MemorySegment out = Floats.zeros(COUNT);
    int bases = 8;
    long stride = 4L * COUNT;
    MemorySegment rows = Floats.zeros(bases * COUNT);
    SplineTable small = new SplineTable(-1, 1, 5);
    SplineTable large = new SplineTable(-1, 1, 64);
    MemorySegment w = Floats.filled(67, 0.1f);
    int n = COUNT;
    return Stream.of(
        kernel("relu", () -> Elementwise.relu(z, 0, out, 0, n)),
        kernel("reluBackward", () -> Elementwise.reluBackward(z, 0, g, 0, out, 0, n)),
        kernel("leakyRelu", () -> Elementwise.leakyRelu(z, 0, out, 0, n)),
        kernel("leakyReluBackward", () -> Elementwise.leakyReluBackward(z, 0, g, 0, out, 0, n)),
        kernel("gelu", () -> Elementwise.gelu(z, 0, out, 0, n)),
        kernel("geluBackward", () -> Elementwise.geluBackward(z, 0, g, 0, out, 0, n)),
        kernel("geluTanh", () -> Elementwise.geluTanh(z, 0, out, 0, n)),
        kernel("geluTanhBackward", () -> Elementwise.geluTanhBackward(z, 0, g, 0, out, 0, n)),
        kernel("silu", () -> Elementwise.silu(z, 0, out, 0, n)),
        kernel("siluBackward", () -> Elementwise.siluBackward(z, 0, g, 0, out, 0, n)),
        kernel("tanh", () -> Elementwise.tanh(z, 0, out, 0, n)),
        kernel("tanhBackward", () -> Elementwise.tanhBackward(z, 0, g, 0, out, 0, n)),
        kernel("sigmoid", () -> Elementwise.sigmoid(z, 0, out, 0, n)),
        kernel("sigmoidBackward", () -> Elementwise.sigmoidBackward(z, 0, g, 0, out, 0, n)),
        kernel("swish", () -> Elementwise.swish(2, z, 0, out, 0, n)),
        kernel("swishBackward", () -> Elementwise.swishBackward(2, z, 0, g, 0, out, 0, n)),
        kernel("swishBetaBackward", () -> Elementwise.swishBetaBackward(2, z, 0, g, 0, out, 0, n)),
        kernel("sumBases", () -> BSpline.sumBases(-1, 0.4, bases, z, 0, 0, 1, rows, 0, stride, n)),
        kernel(
            "spline gradient",
            () -> BSpline.addGradient(-1, 0.4, bases, z, 0, 0, 1, rows, 0, stride, out, 0, n)),
        kernel("row", () -> SplineRow.forward(small, z, 0, out, 0, n)),
        kernel("row, add", () -> SplineRow.addForward(small, z, 0, out, 0, n)),
        kernel("row, backward", () -> SplineRow.addBackward(small, z, 0, g, 0, out, 0, n)),
        kernel("long row", () -> SplineRow.forward(large, z, 0, out, 0, n)),
        kernel("long row, add", () -> SplineRow.addForward(large, z, 0, out, 0, n)),
        kernel("long row, backward", () -> SplineRow.addBackward(large, z, 0, g, 0, out, 0, n)),
        kernel("pack", () -> large.pack(w, 0)));
  }

  private static Arguments kernel(String name, Runnable call) {
    return arguments(name, call);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("kernels")
  void allocatesNothingOnceCompiled(String name, Runnable call) {
    // Two batches in a row without a byte, so that a lucky batch doesn't count.
    int clean = 0;
    long bytes = 0;
    for (int batch = 0; batch < MAX_BATCHES && clean < 2; batch++) {
      bytes = allocatedBy(call);
      clean = bytes == 0 ? clean + 1 : 0;
    }
    long last = bytes;
    assertTrue(clean == 2, () -> name + " still allocates: " + last / CALLS + " bytes per call");
  }

  private static long allocatedBy(Runnable call) {
    long before = HeapBytes.ofThisThread();
    for (int i = 0; i < CALLS; i++) {
      call.run();
    }
    return HeapBytes.ofThisThread() - before;
  }
}
