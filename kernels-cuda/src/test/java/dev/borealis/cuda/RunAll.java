package dev.borealis.cuda;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import java.lang.reflect.Method;
import java.util.List;

/**
 * Runs in a JVM of its own what runs on the backend: the conformance cases and the property tests;
 * or, given a number, the planted kernel with that mistake.
 */
final class RunAll {
  /** The last line if nothing failed. */
  static final String DONE = "all done";

  /** Begins the only line where there is no driver, device or device code. */
  static final String UNAVAILABLE = "not here: ";

  private RunAll() {}

  public static void main(String[] args) throws Exception {
    StandIn.problem().ifPresent(System.out::println);
    if (args.length > 0) {
      PlantedBugsTest.run(Integer.parseInt(args[0]));
      return;
    }
    Backend backend;
    try {
      backend = Backend.require("cuda");
    } catch (BackendUnavailableException e) {
      System.out.println(UNAVAILABLE + e.getMessage());
      return;
    }
    System.out.println(backend.capabilities());
    StandIn.Order[] orders =
        StandIn.GPU ? new StandIn.Order[] {StandIn.Order.FORWARD} : StandIn.Order.values();
    for (StandIn.Order order : orders) {
      call(CudaConformanceTest.class, "everyCasePasses", StandIn.Order.class, order);
    }
    Class<?> properties = Class.forName("dev.borealis.backend.BackendPropertyTest");
    for (String test :
        List.of(
            "adaptersAgreeWithTheOracle",
            "linearLayersAgreeWithTheSum",
            "baseLayerAndAdapterInOneCall",
            "nanStaysInItsToken")) {
      call(properties, test, Backend.class, backend);
    }
    System.out.println(DONE);
  }

  private static void call(Class<?> type, String name, Class<?> parameter, Object argument)
      throws Exception {
    Method method = type.getDeclaredMethod(name, parameter);
    method.setAccessible(true);
    var constructor = type.getDeclaredConstructor();
    constructor.setAccessible(true);
    method.invoke(constructor.newInstance(), argument);
  }
}
