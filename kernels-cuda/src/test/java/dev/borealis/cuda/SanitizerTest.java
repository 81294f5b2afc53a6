package dev.borealis.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.borealis.backend.Backend;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
  private static final Path LIBRARY = StandIn.FOLDER.resolve("libcuda-sanitized.so");

  /** Runs all that runs on the backend, or, given a number, the kernel with that mistake. */
  static final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
      StandIn.problem().ifPresent(System.out::println);
      if (args.length > 0) {
        call(PlantedBugsTest.class, "run", int.class, Integer.parseInt(args[0]));
      } else {
        for (StandIn.Order order : StandIn.Order.values()) {
          call(CudaConformanceTest.class, "everyCasePasses", StandIn.Order.class, order);
        }
        Class<?> properties = Class.forName("dev.borealis.backend.BackendPropertyTest");
        Backend backend = Backend.require("cuda");
        for (String test :
            List.of(
                "adaptersAgreeWithTheOracle",
                "linearLayersAgreeWithTheSum",
                "baseLayerAndAdapterInOneCall",
                "nanStaysInItsToken")) {
          call(properties, test, Backend.class, backend);
        }
        System.out.println("all done");
      }
    }

    private static void call(Class<?> type, String name, Class<?> parameter, Object argument)
        throws Exception {
      Method method = type.getDeclaredMethod(name, parameter);
      method.setAccessible(true);
      var constructor = type.getDeclaredConstructor();
      constructor.setAccessible(true);
      method.invoke(constructor.newInstance(), argument);
    }
  }

  @BeforeAll
  static void build() throws IOException, InterruptedException {
    StandIn.assumeUsed();
    boolean there =
        Files.exists(Path.of(runtime("asan"))) && Files.exists(Path.of(runtime("ubsan")));
    if (!there) {
      System.out.println("Skipped: g++ has no libasan.so and libubsan.so here");
    }
    assumeTrue(there, "no sanitizers");
    List<String> link =
        new ArrayList<>(
            List.of("-shared", "-fsanitize=address,undefined", "-o", LIBRARY.toString()));
    // The execution itself, which changes stacks, is not instrumented.
    link.add(object(StandIn.KERNELS.resolve("borealis.cu"), true));
    link.add(object(StandIn.TEST_SOURCES.resolve("planted.cu"), true));
    link.add(object(StandIn.TEST_SOURCES.resolve("execution.cpp"), false));
    link.add(object(StandIn.TEST_SOURCES.resolve("cublas.cpp"), false));
    link.add(object(StandIn.TEST_SOURCES.resolve("driver.cpp"), false));
    StandIn.compile(link);
  }

  private static String object(Path source, boolean instrumented)
      throws IOException, InterruptedException {
    String object = StandIn.FOLDER.resolve(source.getFileName() + ".o").toString();
    List<String> arguments = new ArrayList<>(List.of("-O1", "-g", "-DBOREALIS_EXACT", "-c"));
    if (instrumented) {
      arguments.addAll(List.of("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"));
    }
    arguments.addAll(List.of("-x", "c++", source.toString(), "-o", object));
    StandIn.compile(arguments);
    return object;
  }

  /** The file of a sanitizer's library; just its name if there is none. */
  private static String runtime(String name) throws IOException, InterruptedException {
    Process process = new ProcessBuilder("g++", "-print-file-name=lib" + name + ".so").start();
    String file = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor());
    return file.strip();
  }

  private static String run(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-Dborealis.standin.library=" + LIBRARY.toAbsolutePath(),
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("LD_PRELOAD", runtime("asan") + " " + runtime("ubsan"));
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
    assertTrue(output.contains("all done"), output);
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
