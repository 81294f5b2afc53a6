package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The backend's tests on a GPU, with the compiled kernels, wherever there is a driver and a device:
 * in a JVM of its own, since the other tests' driver is the stand-in.
 */
@Tag("gpu")
@Tag("nodriver")
class GpuTest {
  @Test
  void everythingRunsOnADevice() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "-Dborealis.test.gpu=true",
                    "-cp",
                    System.getProperty("java.class.path"),
                    RunAll.class.getName()))
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    Optional<String> reason =
        output.lines().filter(line -> line.startsWith(RunAll.UNAVAILABLE)).findFirst();
    reason.ifPresent(line -> System.out.println("Skipped: tests on a GPU, " + line));
    assumeTrue(reason.isEmpty(), reason.orElse(""));
    System.out.println(output);
    assertTrue(output.contains(RunAll.DONE), output);
  }
}
