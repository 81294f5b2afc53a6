package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.SplineMode;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Device;
import dev.borealis.tensor.DType;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The shared memory in the table of kernels is what launches with the largest ranks ask for. */
class SharedMemoryTest {
  @BeforeAll
  static void onTheStandInOnly() {
    StandIn.assumeUsed();
  }

  @Test
  void launchesAskForWhatTheTableSays() {
    int up = KernelDesign.LARGEST_UP_RANK;
    int most = KernelDesign.LARGEST_RANK;
    try (Context context = Context.primary(Device.of(0));
        Arena arena = Arena.ofShared()) {
      CudaEngine fused =
          new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(0, false));
      run(fused, AdapterSpec.nora(8, 8, 16).build(), arena);
      run(fused, AdapterSpec.noraSwiGlu(8, 8, 16).build(), arena);
      run(fused, aurora(up), arena);
      run(fused, aurora(most), arena);
      run(fused, AdapterSpec.noLora(8, 8, 3).build(), arena);
      run(fused, AdapterSpec.aurora(8, 8, 3).spline(SplineMode.FULL).build(), arena);
      int tall = Splits.TALL_TOKENS;
      CudaShapesTest.Step.random(AdapterSpec.nora(8, 8, up).build(), tall, DType.F32, arena)
          .run(fused, arena);
      CudaMergeTest.merge(AdapterSpec.noraSwiGlu(8, 8, most).build(), DType.F32, arena);
    }
    Set<Kernel> maybeNotLaunched =
        EnumSet.of(Kernel.DECODE, Kernel.BATCH_CONTRACT, Kernel.BATCH_PHI, Kernel.BATCH_EXPAND);
    // Their most is for many tokens of the largest rank, which takes the stand-in long.
    maybeNotLaunched.addAll(EnumSet.of(Kernel.PHI_FORWARD, Kernel.PHI_BACKWARD));
    for (Kernel kernel : Kernel.values()) {
      String symbol = kernel.symbol(DType.F32);
      long design = KernelDesign.sharedBytes(kernel, DType.F32);
      int largest = StandIn.largestShared(symbol);
      if (design > 0 && !maybeNotLaunched.contains(kernel)) {
        assertEquals(design, largest, symbol);
      } else {
        assertTrue(largest <= design, symbol + ": " + largest);
      }
    }
  }

  private static AdapterSpec aurora(int rank) {
    return AdapterSpec.aurora(8, 8, rank).grid(KernelDesign.LARGEST_GRID).build();
  }

  private static void run(CudaEngine engine, AdapterSpec spec, Arena arena) {
    CudaShapesTest.Step.random(spec, 1, DType.F32, arena).run(engine, arena);
  }
}
