package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.borealis.backend.Backend;
import dev.borealis.examples.conformance.CaseReport;
import dev.borealis.examples.conformance.CaseRunner;
import dev.borealis.examples.conformance.ConformanceCase;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every conformance case through the real bindings and backend, threads in three orders. */
class CudaConformanceTest {
  private static final Path CASES = Path.of("../examples/src/test/resources/conformance");
  private static final int COUNT = 125;

  @AfterEach
  void forwardAgain() {
    StandIn.order(StandIn.Order.FORWARD);
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void everyCasePasses(StandIn.Order order) throws IOException {
    StandIn.order(order);
    CaseRunner runner = new CaseRunner(Backend.require("cuda"));
    List<Path> files;
    try (Stream<Path> list = Files.list(CASES)) {
      files = list.filter(file -> file.toString().endsWith(".safetensors")).sorted().toList();
    }
    List<String> failures = new ArrayList<>();
    int passed = 0;
    for (Path file : files) {
      try (Arena arena = Arena.ofShared()) {
        CaseReport report = runner.run(ConformanceCase.open(file, arena));
        if (report.passed()) {
          passed++;
        } else {
          failures.add(report.toString());
        }
      }
    }
    System.out.println(
        (StandIn.GPU ? "CUDA device" : "CUDA stand-in (not a GPU), threads " + order)
            + ": "
            + passed
            + " passed, "
            + failures.size()
            + " failed");
    assertEquals(List.of(), failures);
    assertEquals(COUNT, passed);
  }
}
