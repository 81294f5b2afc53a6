package dev.borealis.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.ffm.generated.CublasApi;
import dev.borealis.ffm.generated.CudaDriver;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every call of a whole program fails in turn: the exception names it, and nothing is leaked. */
class FaultInjectionTest {
  @BeforeEach
  void load() throws Exception {
    StandIn.load();
  }

  @Test
  void theScenarioLeavesNothingBehind() {
    Scenario.run();
    assertEquals("", StandIn.misuse());
    assertEquals(0, StandIn.live());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void everyCallThatFailsIsNamedAndLeaksNothing(boolean failuresTakeEffect) {
    Scenario.run();
    int calls = StandIn.calls();
    Set<String> failed = new TreeSet<>();
    for (int call = 1; call <= calls; call++) {
      StandIn.reset(call, failuresTakeEffect);
      CudaException e = assertThrows(CudaException.class, Scenario::run);
      String function = StandIn.failed();
      String where = "call " + call + ", " + function;
      failed.add(function);

      boolean cublas = function.startsWith("cublas");
      assertEquals(cublas ? 13 : StandIn.LAUNCH_FAILED, e.code(), where);
      assertEquals(
          cublas ? "CUBLAS_STATUS_EXECUTION_FAILED" : "CUDA_ERROR_LAUNCH_FAILED", e.name(), where);
      assertEquals(function, e.call().replaceFirst("\\(.*", ""), where);
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith(e.call() + ": " + e.name()), message);

      assertEquals("", StandIn.misuse(), where);
      // A release that failed without effect leaves its own object, and the context may be that.
      boolean leftInPlace = !failuresTakeEffect && isRelease(function);
      assertEquals(leftInPlace ? 1 : 0, StandIn.live(), where);
    }
    assertEquals(boundFunctions(), failed);
  }

  /** The context would close what a failure left open; so here it stays open meanwhile. */
  @Test
  void anOperationThatFailsLeavesNothingInALivingContext() {
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        DeviceBuffer buffer = DeviceBuffer.allocate(context, 8);
        CudaModule module = CudaModule.load(context, Scenario.MODULE)) {
      Runnable record = () -> buffer.fill(0, 8, (byte) 0, stream);
      assertLeavesNothing(() -> Context.primary(context.device()).close());
      assertLeavesNothing(() -> Stream.create(context).close());
      assertLeavesNothing(() -> Event.create(context).close());
      assertLeavesNothing(() -> DeviceBuffer.allocate(context, 8).close());
      assertLeavesNothing(() -> DeviceBuffer.allocateAsync(stream, 8).close());
      assertLeavesNothing(() -> PinnedBuffer.allocate(context, 8).close());
      assertLeavesNothing(() -> CudaModule.load(context, Scenario.MODULE).close());
      assertLeavesNothing(() -> module.function("axpy"));
      assertLeavesNothing(() -> Graph.capture(stream, record).close());
      assertLeavesNothing(() -> Cublas.create(context).close());
    }
    assertEquals("", StandIn.misuse());
    assertEquals(0, StandIn.live());
  }

  private static void assertLeavesNothing(Runnable operation) {
    int before = StandIn.calls();
    operation.run();
    int calls = StandIn.calls() - before;
    assertTrue(calls > 0);
    int live = StandIn.live();
    for (int call = 1; call <= calls; call++) {
      StandIn.failLater(call);
      CudaException e = assertThrows(CudaException.class, operation::run);
      assertTrue(e.call().startsWith(StandIn.failed()), e.call());
      assertEquals(live, StandIn.live(), StandIn.failed());
    }
  }

  private static boolean isRelease(String function) {
    return function.contains("Destroy")
        || function.contains("Free")
        || function.contains("Unload")
        || function.contains("Release");
  }

  /** All that is bound, but for the two that describe a failure and aren't made to fail. */
  private static Set<String> boundFunctions() {
    Set<String> bound =
        java.util.stream.Stream.of(CudaDriver.class, CublasApi.class)
            .flatMap(type -> Arrays.stream(type.getDeclaredMethods()))
            .map(Method::getName)
            .filter(name -> name.endsWith("$descriptor"))
            .map(name -> name.replace("$descriptor", ""))
            .collect(Collectors.toCollection(TreeSet::new));
    bound.removeAll(Set.of("cuGetErrorName", "cuGetErrorString"));
    return bound;
  }
}
