package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a JVM of its own: every
 * allocation and the shared memory end where they end, so that a read behind them shows as well.
 */
@Tag("exhaustive")
class SanitizerTest {
  private static Path library = Path.of("");

  @BeforeAll
  static void build() throws IOException, InterruptedException {
    StandIn.assumeUsed();
    boolean there = StandInLibrary.hasRuntime("asan") && StandInLibrary.hasRuntime("ubsan");
    if (!there) {
      System.out.println("Skipped: g++ has no libasan.so and libubsan.so here");
    }
    assumeTrue(there, "no sanitizers");
    library = StandInLibrary.addressChecker();
  }

  private static String run(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-Dborealis.standin.library=" + library.toAbsolutePath(),
            "-cp",
            System.getProperty("java.class.path"),
            RunAll.class.getName()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder
        .environment()
        .put("LD_PRELOAD", StandInLibrary.runtime("asan") + " " + StandInLibrary.runtime("ubsan"));
    builder
        .environment()
        .put("ASAN_OPTIONS", "detect_leaks=0:handle_segv=0:use_sigaltstack=0:halt_on_error=1");
    Process process = builder.start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return text;
  }

  @Test
  void everythingRunsClean() throws IOException, InterruptedException {
    String output = run();
    Optional<String> done = output.lines().filter(line -> line.startsWith(RunAll.DONE)).findFirst();
    assertTrue(done.isPresent(), output);
    System.out.println("AddressSanitizer, UndefinedBehaviorSanitizer: " + done.orElseThrow());
    assertTrue(!output.contains("ERROR: AddressSanitizer"), output);
    assertTrue(!output.contains("runtime error"), output);
  }

  @ParameterizedTest
  @CsvSource({"2, WRITE of size 4", "6, WRITE of size 4", "7, READ of size 4"})
  void plantedMistakesAreNamed(String bug, String what) throws IOException, InterruptedException {
    String output = run(bug);
    assertTrue(output.contains("AddressSanitizer: heap-buffer-overflow"), output);
    assertTrue(output.contains(what), output);
    assertTrue(output.contains("planted.cu"), output);
  }
}
