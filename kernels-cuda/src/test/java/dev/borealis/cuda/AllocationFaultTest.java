package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.Device;
import dev.borealis.tensor.DType;
import java.lang.foreign.Arena;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A training step whose first, second, … allocation on the device fails: the exception says so, and
 * nothing stays allocated. (Failures of every other call are tested in ffm-bindings.)
 */
class AllocationFaultTest {
  @BeforeAll
  static void onTheStandInOnly() {
    StandIn.assumeUsed();
  }

  @AfterEach
  void failNoMore() {
    StandIn.failAllocation(0);
  }

  @Test
  void nothingLeaksWhereverMemoryRunsOut() {
    AdapterSpec spec = AdapterSpec.aurora(20, 24, 4).gain().upBias().staticForm().build();
    int failures = 0;
    try (Context context = Context.primary(Device.of(0));
        Arena host = Arena.ofShared()) {
      CudaEngine engine =
          new CudaEngine(context, CudaBackend.image(), CudaShapesTest.settings(64, false));
      CudaShapesTest.Step step = CudaShapesTest.Step.random(spec, 3, DType.F32, host);
      int before = StandIn.allocations();
      Map<String, double[]> results = Map.of();
      while (results.isEmpty()) {
        StandIn.failAllocation(failures + 1);
        try (Arena arena = Arena.ofShared()) {
          results = step.run(engine, arena);
        } catch (CudaException e) {
          failures++;
          String message = String.valueOf(e.getMessage());
          assertTrue(message.contains("CUDA_ERROR_OUT_OF_MEMORY"), message);
          assertTrue(message.contains("cuMemAlloc"), message);
        }
        StandIn.failAllocation(0);
        assertEquals(before, StandIn.allocations(), "after failure " + failures);
      }
      CudaShapesTest.requireClose(step.expected(), results);
    }
    System.out.println("An allocation failed " + failures + " times, and nothing was left");
    assertTrue(failures > 3, () -> "only so many allocations failed");
  }
}
