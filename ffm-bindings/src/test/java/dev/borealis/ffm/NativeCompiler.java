package dev.borealis.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Compilers of this machine, and programs run to their end. */
final class NativeCompiler {
  private NativeCompiler() {}

  /** What a program that succeeded has written. */
  static String run(List<String> command) throws IOException, InterruptedException {
    return run(command, Map.of());
  }

  /** The same, with additional environment variables. */
  static String run(List<String> command, Map<String, String> environment)
      throws IOException, InterruptedException {
    Path output = Files.createTempFile("output", ".txt");
    Path errors = Files.createTempFile("errors", ".txt");
    try {
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .redirectOutput(output.toFile())
              .redirectError(errors.toFile());
      builder.environment().putAll(environment);
      int code = builder.start().waitFor();
      String text = Files.readString(output, StandardCharsets.UTF_8);
      String messages = Files.readString(errors, StandardCharsets.UTF_8);
      assertEquals(0, code, () -> command + "\n" + text + messages);
      return text;
    } finally {
      Files.delete(output);
      Files.delete(errors);
    }
  }

  /**
   * Compiles with the first of the compilers that this machine has; says so and skips if it has
   * none.
   */
  static void compile(List<String> compilers, String purpose, String... arguments)
      throws IOException, InterruptedException {
    for (String compiler : compilers) {
      if (exists(compiler)) {
        List<String> command = new ArrayList<>(List.of(compiler));
        command.addAll(List.of(arguments));
        run(command);
        return;
      }
    }
    skip(purpose + " needs one of " + compilers + ", and this machine has none");
  }

  static void skip(String reason) {
    System.out.println("skipped: " + reason);
    abort(reason);
  }

  private static boolean exists(String compiler) throws InterruptedException {
    try {
      Process process =
          new ProcessBuilder(compiler, "--version")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor() == 0;
    } catch (IOException e) {
      return false;
    }
  }
}
