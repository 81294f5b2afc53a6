package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a user without a GPU sees, in a JVM of its own: the reason, in one line, and no crash. */
@Tag("nodriver")
class CudaUnavailableTest {
  /** Prints why the backend doesn't start. */
  static final class Main {
    private Main() {}

    public static void main(String[] args) {
      try {
        System.out.println("started " + Backend.require("cuda"));
      } catch (BackendUnavailableException e) {
        System.out.println(e.getMessage());
      }
      System.out.println("auto: " + Backend.auto().name());
    }
  }

  private static List<String> output(String... flags) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of(flags));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    Process process = new ProcessBuilder(command).start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), text);
    return text.lines().toList();
  }

  @Test
  void aMissingDriverIsNamed() throws IOException, InterruptedException {
    List<String> lines = output("-Dborealis.cuda.library=no/such/libcuda.so");
    assertEquals(2, lines.size(), lines::toString);
    assertTrue(lines.get(0).startsWith("cuda unavailable: no/such/libcuda.so"), lines::toString);
    assertTrue(lines.get(0).endsWith("not found"), lines::toString);
    // Without the vector module the CPU's backend that always starts.
    assertEquals("auto: scalar", lines.get(1));
  }

  @Test
  void aMissingImageIsNamed() throws IOException, InterruptedException {
    StandIn.problem().ifPresent(problem -> System.out.println("Skipped: " + problem));
    assumeTrue(StandIn.problem().isEmpty());
    List<String> lines =
        output(
            "-Dborealis.cuda.library=" + System.getProperty("borealis.cuda.library"),
            "-Dborealis.cuda.image=no/such.fatbin");
    assertTrue(lines.get(0).contains("can't read the device code"), lines::toString);
    assertTrue(lines.get(0).contains("no/such.fatbin"), lines::toString);
  }
}
