package dev.borealis.testing;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The backends that a test runs on: those that the system property {@code borealis.test.backends}
 * names, so that another module can run the tests on its own backend.
 */
public final class Backends {
  private static final List<String> NAMES =
      List.of(System.getProperty("borealis.test.backends", "scalar,panama").split(",", -1));

  private Backends() {}

  /** Returns every backend that starts here, and prints why another does not. */
  public static Stream<Backend> all() {
    List<Backend> backends = new ArrayList<>();
    for (String name : NAMES) {
      try {
        backends.add(Backend.require(name));
      } catch (BackendUnavailableException e) {
        System.out.println("left out: " + e.getMessage());
      }
    }
    return backends.stream();
  }
}
