package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What nvcc made of the kernels, for each architecture: spills, stack and registers within a
 * budget, tensor-core instructions and 16-byte accesses where they are promised. Only where nvcc
 * was there.
 */
@Tag("nodriver")
class DeviceCodeTest {
  private static final Path LOG = Cubin.FOLDER.resolve("ptxas.txt");
  private static final List<Integer> ARCHITECTURES = List.of(80, 90, 100, 120);

  private static final int REGISTER_FILE = 65536;

  private static final Set<Kernel> IN_DOUBLE =
      EnumSet.of(Kernel.ADAMW, Kernel.MERGE_PHI, Kernel.MERGE_CENTRE);

  /**
   * Bytes moved by design, beside the floor: shares of sums are the larger part of what is more. On
   * an H100 they stay in L2.
   */
  private static final double TRAFFIC = 1.5;

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
    boolean compiled = Files.exists(LOG) && Cubin.of(90).isPresent();
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

  @Test
  void everyKernelIsThereForEveryArchitecture() {
    assertEquals(symbols(), USAGE.keySet());
    USAGE.forEach(
        (kernel, usage) -> assertEquals(Set.copyOf(ARCHITECTURES), usage.keySet(), kernel));
    assertNotNull(CudaBackend.class.getResource("borealis.fatbin"));
  }

  /**
   * The least blocks that a multiprocessor of sm_80, 90, 100 and 120 has to hold at a time.
   *
   * <p>What is on its way fills half of the shared memory of the middle two, and most of the
   * others'; a block of the fused forward has a multiprocessor to itself, and all the registers it
   * likes.
   */
  private static List<Integer> budget(Kernel kernel, DType type) {
    return switch (kernel) {
      case FORWARD_16, FORWARD_32 -> List.of(1, 1, 1, 1);
      case CONTRACT, CONTRACT_TALL -> type == DType.F32 ? List.of(1, 1, 1, 1) : List.of(1, 2, 2, 1);
      case BATCH_CONTRACT, OUTER_16, OUTER_32, OUTER_SPLINE -> List.of(1, 2, 2, 1);
      case UP, EXPAND -> List.of(2, 2, 2, 1);
      case PHI_FORWARD -> List.of(4, 4, 3, 2);
      case PHI_BACKWARD -> List.of(2, 2, 2, 1);
      case GAIN_GRADIENT -> List.of(8, 8, 5, 5);
      case ADAMW -> List.of(6, 6, 6, 6);
      case COLUMN_SUMS -> List.of(8, 6, 3, 3);
      default -> List.of(2, 2, 2, 2);
    };
  }

  /**
   * Bytes that may be spilled, written and read. Of these two kernels a second block a
   * multiprocessor is worth more than they cost: measured on an H100, docs/CUDA.md.
   */
  private static int spills(Kernel kernel) {
    return kernel == Kernel.OUTER_32 || kernel == Kernel.CONTRACT_TALL ? 256 : 0;
  }

  /** Registers of a thread that leave room for so many blocks; they come in eights. */
  private static int registers(int blocks) {
    return REGISTER_FILE / (blocks * Kernel.THREADS) / 8 * 8;
  }

  private static Usage usage(String symbol, int architecture) {
    Usage usage = USAGE.getOrDefault(symbol, Map.of()).get(architecture);
    if (usage == null) {
      throw new AssertionError("no " + symbol + " for sm_" + architecture);
    }
    return usage;
  }

  @Test
  void nothingSpillsAndRegistersStayWithinTheBudget() {
    forEachKernel((kernel, type) -> {
      int i = 0;
      for (int architecture : ARCHITECTURES) {
        Usage usage = usage(kernel.symbol(type), architecture);
        String name = kernel.symbol(type) + " for sm_" + architecture;
        int spills = spills(kernel);
        assertTrue(usage.stack() <= spills, name + ": bytes of stack: " + usage.stack());
        assertTrue(usage.spills() <= spills, name + ": bytes spilled: " + usage.spills());
        int budget = Math.min(255, registers(budget(kernel, type).get(i++)));
        assertTrue(
            usage.registers() <= budget,
            name + ": registers: expected at most " + budget + ", came " + usage.registers());
      }
    });
  }

  /** Prints the table in docs/CUDA.md. */
  @Test
  void multiprocessorsHoldTheBlocksOfTheBudget() throws IOException, InterruptedException {
    List<Occupancy.Query> queries = new ArrayList<>();
    forEachKernel((kernel, type) -> {
      for (int architecture : ARCHITECTURES) {
        int registers = usage(kernel.symbol(type), architecture).registers();
        queries.add(
            new Occupancy.Query(architecture, registers, KernelDesign.sharedBytes(kernel, type)));
      }
    });
    Optional<List<Occupancy.Answer>> answers = Occupancy.of(queries);
    if (answers.isEmpty()) {
      System.out.println("Skipped: occupancy, since there is no cuda_occupancy.h or no g++");
    }
    assumeTrue(answers.isPresent(), "no cuda_occupancy.h or no g++");
    Iterator<Occupancy.Answer> next = answers.orElseThrow().iterator();
    System.out.println(
        "| kernel | shared KiB | sm_80 | sm_90 | sm_100 | sm_120 | spills | r | floor | moved |"
            + " ratio |");
    System.out.println("|---|---|---|---|---|---|---|---|---|---|---|");
    forEachKernel((kernel, type) -> {
      StringBuilder line = new StringBuilder();
      long shared = KernelDesign.sharedBytes(kernel, type);
      String name = kernel.symbol(type).substring("borealis_".length());
      line.append(String.format(Locale.ROOT, "| `%s` | %.1f |", name, shared / 1024.0));
      int spills = 0;
      int i = 0;
      for (int architecture : ARCHITECTURES) {
        Usage usage = usage(kernel.symbol(type), architecture);
        Occupancy.Answer answer = next.next();
        spills += usage.spills();
        line.append(
            String.format(
                Locale.ROOT, " %d, %d of %d |", usage.registers(), answer.blocks(), answer.most()));
        int budget = budget(kernel, type).get(i++);
        assertTrue(
            answer.blocks() >= Math.min(budget, answer.most()),
            name + " for sm_" + architecture + ": expected " + budget + " blocks, came " + answer);
      }
      line.append(' ').append(spills).append(" |");
      KernelDesign.traffic(kernel, type)
          .ifPresentOrElse(
              traffic -> {
                double ratio = (double) traffic.moved() / traffic.floor();
                assertTrue(ratio <= TRAFFIC, name + ": " + ratio);
                line.append(
                    String.format(
                        Locale.ROOT,
                        " %d | %.1f | %.1f | %.2f |",
                        traffic.rank(),
                        traffic.floor() / 1e6,
                        traffic.moved() / 1e6,
                        ratio));
              },
              () -> line.append(" | | | |"));
      System.out.println(line);
    });
  }

  /** A kernel that is the same for all types comes once. */
  private static void forEachKernel(BiConsumer<Kernel, DType> what) {
    for (Kernel kernel : Kernel.values()) {
      for (DType type : kernel.typed ? DType.values() : new DType[] {DType.F32}) {
        what.accept(kernel, type);
      }
    }
  }

  @Test
  void theInstructionsAreThosePromised() throws IOException {
    for (int architecture : ARCHITECTURES) {
      Map<String, Cubin.Counts> code = Cubin.read(Cubin.of(architecture).orElseThrow());
      assertEquals(symbols(), code.keySet());
      forEachKernel((kernel, type) -> {
        Cubin.Counts counts = code.get(kernel.symbol(type));
        String name = kernel.symbol(type) + " for sm_" + architecture + ": " + counts;
        KernelDesign.Instructions design = KernelDesign.instructions(kernel, type);
        assertNotNull(counts, name);
        assertTrue(counts.tensor() >= design.products(), name + ", expected " + design);
        assertTrue(counts.loads128() >= design.loads(), name + ", expected " + design);
        assertTrue(counts.stores128() >= design.stores(), name + ", expected " + design);
        assertEquals(design.shuffles(), counts.shuffles(), name);
        assertTrue(counts.local() <= spills(kernel), name);
        assertEquals(0, counts.atomics(), name);
        // These divide in double. No other kernel has a slow path of a division, or any other
        // routine; the calls for sm_80 follow operations of a warp.
        // For sm_80 a shuffle in a branch is a routine.
        boolean routines = IN_DOUBLE.contains(kernel);
        boolean shuffled = architecture == 80 && design.shuffles() > 0;
        assertTrue(shuffled || routines == !counts.routines().isEmpty(), name);
        assertTrue(routines || architecture == 80 || counts.calls() == 0, name);
      });
    }
  }
}
