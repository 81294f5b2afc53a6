package dev.borealis.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.testing.Nothing;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which backend starts, and what is said when one does not. Properties get a JVM of their own. */
class BackendSelectionTest {
  private static final String VECTOR = "--add-modules=jdk.incubator.vector";

  private static String refusal(String backend) {
    return String.valueOf(
        assertThrows(BackendUnavailableException.class, () -> Backend.require(backend))
            .getMessage());
  }

  @Test
  void theSameBackendEachTime() {
    Backend auto = Backend.auto();
    assertTrue(auto == Backend.auto());
    assertTrue(auto == Backend.require(auto.name()));
    assertTrue(auto.toString().startsWith(auto.name() + " ("), auto::toString);
  }

  @Test
  void anUnknownBackendNamesTheKnownOnes() {
    String message = refusal("tpu");
    assertTrue(
        message.contains("backend tpu: expected one of")
            && message.contains("panama")
            && message.contains("scalar"),
        message);
    assertEquals(
        "name",
        assertThrows(NullPointerException.class, () -> Backend.require(Nothing.nothing()))
            .getMessage());
  }

  @Test
  @Tag("novector")
  void withoutTheVectorModulePanamaNamesTheFlag() {
    for (int attempt = 0; attempt < 2; attempt++) {
      String message = refusal("panama");
      assertTrue(
          message.contains("backend panama")
              && message.contains("--add-modules jdk.incubator.vector"),
          message);
    }
    assertEquals("scalar", Backend.auto().name());
    assertEquals("scalar", Backend.require("scalar").name());
  }

  @Test
  void autoPrefersPanamaAndSaysNothing() {
    assertEquals(List.of("panama"), lines(fork(VECTOR)));
  }

  @Test
  void autoWithoutTheModuleSaysWhyInOneLine() {
    Output output = fork();
    assertEquals(List.of("scalar"), lines(output));
    List<String> said =
        output.errors().lines().filter(line -> line.contains("Borealis uses")).toList();
    assertEquals(1, said.size(), output::errors);
    assertTrue(said.get(0).contains("scalar"), said::toString);
    assertTrue(said.get(0).contains("--add-modules jdk.incubator.vector"), said::toString);
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "borealis.backend, tpu, auto, 'backend tpu: expected one of'",
        "borealis.backend, scalar, auto, -",
        "borealis.threads, 0, panama, 'borealis.threads: expected a number from 1 to 256, came 0'",
        "borealis.threads, many, panama, 'borealis.threads: expected a number from 1 to 256, came"
            + " many'",
        "borealis.threads, 257, panama, 'borealis.threads: expected a number from 1 to 256, came"
            + " 257'",
        "borealis.vectorBits, 100, panama, 'borealis.vectorBits: expected 128, 256 or 512'",
      })
  void properties(String property, String value, String backend, @Nullable String message) {
    Output output = fork(VECTOR, "-D" + property + "=" + value, "backend=" + backend);
    if (message == null) {
      assertEquals(List.of(value), lines(output));
      return;
    }
    List<String> lines = lines(output);
    assertEquals(2, lines.size(), output::toString);
    for (String line : lines) {
      assertTrue(line.startsWith("BackendUnavailableException: "), line);
      assertTrue(line.contains(message), line);
      assertTrue(line.contains(value), line);
    }
  }

  private static List<String> lines(Output output) {
    return output.lines().lines().toList();
  }

  private record Output(String lines, String errors) {}

  private static String classPath() {
    return Path.of("target", "classes") + File.pathSeparator + Path.of("target", "test-classes");
  }

  /** Runs {@link Probe} in a JVM of its own. */
  private static Output fork(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String backend = "auto";
    for (String argument : arguments) {
      if (argument.startsWith("backend=")) {
        backend = argument.substring("backend=".length());
      } else {
        command.add(argument);
      }
    }
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-cp", classPath()));
    command.addAll(List.of(Probe.class.getName(), backend));
    try {
      Path errors = Files.createTempFile("borealis", ".err");
      Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
      try {
        process.getOutputStream().close();
        byte[] lines = process.getInputStream().readAllBytes();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the forked JVM ends");
        return new Output(new String(lines, StandardCharsets.UTF_8), Files.readString(errors));
      } finally {
        process.destroy();
        Files.delete(errors);
      }
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Prints which backend starts, or twice why none does. */
  static final class Probe {
    private Probe() {}

    public static void main(String[] arguments) {
      for (int attempt = 0; attempt < 2; attempt++) {
        try {
          Backend backend =
              arguments[0].equals("auto") ? Backend.auto() : Backend.require(arguments[0]);
          System.out.println(backend.name());
          return;
        } catch (BackendUnavailableException e) {
          System.out.println("BackendUnavailableException: " + e.getMessage());
        }
      }
    }
  }
}
