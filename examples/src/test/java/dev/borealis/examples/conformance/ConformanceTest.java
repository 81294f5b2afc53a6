package dev.borealis.examples.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import dev.borealis.internal.reference.AdapterOracle;
import dev.borealis.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The recorded cases, on every backend that starts here and on the oracle. */
class ConformanceTest {
  private static final List<String> BACKENDS = List.of("scalar", "panama");
  private static final int CASES = 125;

  static List<Path> cases() throws IOException, URISyntaxException {
    URL folder = ConformanceTest.class.getResource("/conformance");
    assertNotNull(folder);
    return ConformanceMain.files(Path.of(folder.toURI()));
  }

  static Stream<Arguments> backendsAndCases() throws IOException, URISyntaxException {
    List<Arguments> pairs = new ArrayList<>();
    for (String name : BACKENDS) {
      try {
        Backend backend = Backend.require(name);
        cases().forEach(file -> pairs.add(arguments(backend.name(), file)));
      } catch (BackendUnavailableException e) {
        System.out.println("ConformanceTest leaves out " + name + ": " + e.getMessage());
      }
    }
    return pairs.stream();
  }

  @Test
  void allCasesAreHere() throws IOException, URISyntaxException {
    assertEquals(CASES, cases().size());
  }

  @ParameterizedTest
  @MethodSource("backendsAndCases")
  void backendConforms(String backend, Path file) throws IOException {
    try (Arena arena = Arena.ofShared()) {
      CaseReport report =
          new CaseRunner(Backend.require(backend)).run(ConformanceCase.open(file, arena));
      assertTrue(report.passed(), report::toString);
    }
  }

  /**
   * The oracle is in double, as the expectations are; where there is dropout, its masks are floats
   * like every backend's, and 1/(1−p) is only as good as that.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void oracleConforms(Path file) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      ConformanceCase given = ConformanceCase.open(file, arena);
      AdapterSpec spec = given.weights().spec();
      double tolerance = spec.hasDropout() ? 5e-7 : 1e-12;
      Map<String, double[]> results = oracle(given);
      List<CaseReport.Check> checks = new ArrayList<>();
      given
          .expected()
          .forEach((name, expected) -> {
            double[] actual = results.getOrDefault(name, new double[0]);
            checks.add(
                CaseReport.Check.of(
                    name, expected, actual, name.startsWith("mask.") ? 0x1p-24 : tolerance));
          });
      CaseReport report = new CaseReport(given.name(), checks);
      assertTrue(report.passed(), report::toString);
    }
  }

  private static Map<String, double[]> oracle(ConformanceCase given) {
    AdapterSpec spec = given.weights().spec();
    AdapterOracle oracle = new AdapterOracle(given.weights());
    double[] x = values(given.x());
    int tokens = (int) given.x().rows();
    AdapterOracle.Forward forward = oracle.forward(x, tokens, given.options(), true);
    AdapterOracle.Backward backward = oracle.backward(x, values(given.dY()), forward);
    Map<String, double[]> results = new TreeMap<>();
    double[] y = values(given.y0());
    for (int i = 0; i < y.length; i++) {
      y[i] += forward.y()[i];
    }
    results.put("y", y);
    results.put("grad.x", backward.dX());
    for (Parameter parameter : spec.parameters()) {
      results.put("grad." + parameter.tensorName(), backward.gradient(parameter));
    }
    results.put("mask.x", forward.inputMask());
    results.put("mask.hidden", forward.hiddenMask());
    if (given.expected().containsKey("merged_delta")) {
      results.put("merged_delta", oracle.mergedDelta(given.options().scale()));
    }
    return results;
  }

  private static double[] values(Tensor tensor) {
    int columns = (int) tensor.columns();
    double[] values = new double[(int) tensor.rows() * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i / columns, i % columns);
    }
    return values;
  }

  @Test
  void wrongMissingAndNanResultsFail() {
    double[] expected = {1, -4};
    assertTrue(CaseReport.Check.of("y", expected, new double[] {1, -4 + 3e-6}, 1e-6).passed());
    assertFalse(CaseReport.Check.of("y", expected, new double[] {1, -4 + 5e-6}, 1e-6).passed());
    assertFalse(CaseReport.Check.of("y", expected, new double[] {1, Double.NaN}, 1e-6).passed());
    assertFalse(CaseReport.Check.of("y", expected, new double[] {1}, 1e-6).passed());
    assertFalse(CaseReport.Check.of("y", new double[1], new double[] {1e-30}, 1e-6).passed());
    assertTrue(CaseReport.Check.of("y", new double[1], new double[1], 1e-6).passed());
    double[] nan = {Double.NaN, Double.POSITIVE_INFINITY};
    assertTrue(CaseReport.Check.of("y", nan, nan.clone(), 0).passed());
    assertFalse(CaseReport.Check.of("y", nan, expected, 1).passed());
    assertFalse(new CaseReport("empty", List.of()).passed());
  }

  @Test
  void mainCountsUnreadableCasesAsFailed(@TempDir Path folder)
      throws IOException, URISyntaxException {
    Path good = cases().get(0);
    Files.copy(good, folder.resolve("a.safetensors"));
    Files.write(folder.resolve("b.safetensors"), new byte[] {1, 2, 3});
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, false, StandardCharsets.UTF_8)) {
      assertEquals(
          1, ConformanceMain.run(ConformanceMain.files(folder), Backend.require("scalar"), out));
    }
    String printed = bytes.toString(StandardCharsets.UTF_8);
    assertTrue(printed.contains("ok    a.safetensors"), printed);
    assertTrue(printed.contains("FAILED b.safetensors"), printed);
    assertTrue(printed.contains("1 passed, 1 failed"), printed);
  }
}
