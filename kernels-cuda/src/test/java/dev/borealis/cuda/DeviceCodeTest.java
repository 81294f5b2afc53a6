package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What nvcc made of the kernels, for each architecture: no spills, no stack, registers within a
 * budget, tensor-core instructions and 16-byte accesses where they are promised. Only where nvcc
 * was there.
 */
@Tag("nodriver")
class DeviceCodeTest {
  private static final Path FOLDER = Path.of("target/cuda");
  private static final Path LOG = FOLDER.resolve("ptxas.txt");
  private static final Set<Integer> ARCHITECTURES = Set.of(80, 90, 100, 120);

  /** Two blocks of 256 threads a multiprocessor. */
  private static final int REGISTERS = 128;

  /** One block: the kernels with sums of 32 ranks, or Z of 32, in registers. */
  private static final int WIDE_REGISTERS = 224;

  private static final int REGISTER_FILE = 65536;
  private static final int WARPS = 8;

  private static final Pattern ENTRY =
      Pattern.compile(
          "Compiling entry function '(\\w+)' for 'sm_(\\d+)'\\R"
              + ".*\\R\\s+(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill"
              + " loads\\R.*Used (\\d+) registers");

  /** What ptxas says about a kernel. */
  private record Usage(int stack, int spills, int registers) {}

  private static final Map<String, Map<Integer, Usage>> USAGE = new TreeMap<>();

  @BeforeAll
  static void readLog() throws IOException {
    boolean compiled = Files.exists(LOG) && Files.exists(FOLDER.resolve("borealis.stamp"));
    if (!compiled) {
      System.out.println("Skipped: gates on device code, since nvcc was not there to make any");
    }
    assumeTrue(compiled, "nvcc was not there");
    Matcher matcher = ENTRY.matcher(Files.readString(LOG));
    while (matcher.find()) {
      Usage usage =
          new Usage(
              Integer.parseInt(matcher.group(3)),
              Integer.parseInt(matcher.group(4)) + Integer.parseInt(matcher.group(5)),
              Integer.parseInt(matcher.group(6)));
      USAGE
          .computeIfAbsent(matcher.group(1), name -> new TreeMap<>())
          .put(Integer.parseInt(matcher.group(2)), usage);
    }
  }

  private static Set<String> symbols() {
    Set<String> symbols = new TreeSet<>();
    for (Kernel kernel : Kernel.values()) {
      for (DType type : DType.values()) {
        symbols.add(kernel.symbol(type));
      }
    }
    return symbols;
  }

  private static boolean isWide(String kernel) {
    return kernel.endsWith("_32");
  }

  @Test
  void everyKernelIsThereForEveryArchitecture() {
    assertEquals(symbols(), USAGE.keySet());
    USAGE.forEach((kernel, usage) -> assertEquals(ARCHITECTURES, usage.keySet(), kernel));
    assertNotNull(CudaBackend.class.getResource("borealis.fatbin"));
  }

  @Test
  void nothingSpillsAndRegistersStayWithinTheBudget() {
    assertFalse(USAGE.isEmpty());
    System.out.println("Registers of sm_80, 90, 100, 120; blocks a multiprocessor by registers:");
    USAGE.forEach((kernel, byArchitecture) -> {
      StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "  %-32s", kernel));
      byArchitecture.forEach((architecture, usage) -> {
        String name = kernel + " for sm_" + architecture;
        assertEquals(0, usage.stack(), name + ": bytes of stack");
        assertEquals(0, usage.spills(), name + ": bytes spilled");
        int budget = isWide(kernel) ? WIDE_REGISTERS : REGISTERS;
        assertTrue(
            usage.registers() <= budget,
            name + ": registers: expected at most " + budget + ", came " + usage.registers());
        // Registers are handed out to warps, 256 at a time.
        int warp = (usage.registers() * 32 + 255) / 256 * 256;
        line.append(
            String.format(
                Locale.ROOT, " %4d (%d)", usage.registers(), REGISTER_FILE / warp / WARPS));
      });
      System.out.println(line);
    });
  }

  @Test
  void theInstructionsAreThosePromised() throws IOException {
    Pattern architecture = Pattern.compile(".*compute_(\\d+).*\\.cubin");
    int files = 0;
    try (Stream<Path> list = Files.list(FOLDER)) {
      for (Path file : list.sorted().toList()) {
        Matcher matcher = architecture.matcher(file.toString());
        if (matcher.matches()) {
          files++;
          check(Integer.parseInt(matcher.group(1)), Cubin.read(file));
        }
      }
    }
    assertEquals(ARCHITECTURES.size(), files);
  }

  private static void check(int architecture, Map<String, Cubin.Counts> kernels) {
    assertEquals(symbols(), kernels.keySet());
    kernels.forEach((kernel, counts) -> {
      String name = kernel + " for sm_" + architecture + ": " + counts;
      assertEquals(0, counts.local(), name);
      assertEquals(0, counts.atomics(), name);
      // AdamW divides in double, which is a subroutine. On sm_80 the warp-wide operations are
      // followed by calls that are no divisions.
      if (architecture > 80 && !kernel.equals("borealis_adamw")) {
        assertEquals(0, counts.calls(), name);
      }
      boolean product =
          Stream.of(
                  "forward_",
                  "up_",
                  "contract",
                  "expand",
                  "outer",
                  "batch_contract",
                  "batch_expand")
              .anyMatch(part -> kernel.startsWith("borealis_" + part) || kernel.contains("_up_"));
      if (product) {
        assertTrue(counts.tensor() > 0, name);
      }
      // A batch's pointers come from a table: the compiler does not know that they are global, and
      // uses instructions for any memory, which are not counted.
      boolean listed = kernel.startsWith("borealis_batch_");
      if (product && !listed && !kernel.equals("borealis_outer_spline")) {
        assertTrue(counts.loads128() > 0, name);
      }
      if (product && !listed && !kernel.contains("contract")) {
        assertTrue(counts.stores128() > 0, name);
      }
    });
  }
}
