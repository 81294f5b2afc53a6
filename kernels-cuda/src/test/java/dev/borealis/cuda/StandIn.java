package dev.borealis.cuda;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * The stand-in for libcuda: the kernels' own source, compiled by g++ with one fiber per CUDA
 * thread. Compiled once, when a source has changed. No GPU, and no word about one's speed.
 *
 * <p>With {@code -Dborealis.test.gpu=true} there is none: the same tests run on the real driver,
 * device and device code; those that are about the stand-in are skipped.
 */
final class StandIn {
  /** In which order the threads of a block run, and the blocks of a grid. */
  enum Order {
    FORWARD(0),
    REVERSE(1),
    RANDOM(2);

    private final int code;

    Order(int code) {
      this.code = code;
    }
  }

  static final Path TEST_SOURCES = Path.of("src/test/cpp");
  static final Path KERNELS = Path.of("src/main/cuda");
  static final Path FOLDER = Path.of("target/standin");
  private static final String GIVEN = System.getProperty("borealis.standin.library", "");
  private static final Path LIBRARY =
      GIVEN.isEmpty() ? FOLDER.resolve("libcuda-standin.so") : Path.of(GIVEN);

  /** Whether the tests run on a real device. */
  static final boolean GPU = Boolean.getBoolean("borealis.test.gpu");

  private static final Optional<String> PROBLEM = GPU ? Optional.empty() : prepare();

  private StandIn() {}

  /** Returns why there is none, if so. */
  static Optional<String> problem() {
    return PROBLEM;
  }

  private static Optional<String> prepare() {
    try {
      Optional<String> problem = GIVEN.isEmpty() ? build() : Optional.empty();
      if (problem.isEmpty()) {
        System.setProperty("borealis.cuda.library", LIBRARY.toAbsolutePath().toString());
        System.setProperty("borealis.cublas.library", LIBRARY.toAbsolutePath().toString());
        // The stand-in doesn't look at the image, but there has to be one.
        System.setProperty("borealis.cuda.image", LIBRARY.toAbsolutePath().toString());
      }
      return problem;
    } catch (IOException e) {
      throw new IllegalStateException("can't build the stand-in for libcuda", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the stand-in was built", e);
    }
  }

  /** Compiles the library unless it is newer than its sources; returns why it can't, if so. */
  private static Optional<String> build() throws IOException, InterruptedException {
    if (Files.exists(LIBRARY) && !isOlder(LIBRARY)) {
      return Optional.empty();
    }
    return compile(
        List.of(
            "-O2",
            "-shared",
            "-o",
            LIBRARY.toString(),
            "-x",
            "c++",
            KERNELS.resolve("borealis.cu").toString(),
            TEST_SOURCES.resolve("planted.cu").toString(),
            TEST_SOURCES.resolve("execution.cpp").toString(),
            TEST_SOURCES.resolve("cublas.cpp").toString(),
            TEST_SOURCES.resolve("driver.cpp").toString()));
  }

  /** Runs g++; returns why there is none, if so. Warnings are errors. */
  static Optional<String> compile(List<String> arguments) throws IOException, InterruptedException {
    Files.createDirectories(FOLDER);
    List<String> command =
        new ArrayList<>(
            List.of(
                "g++",
                "-std=c++17",
                "-ffp-contract=off",
                "-fno-math-errno",
                "-Wall",
                "-Wextra",
                "-Wno-unknown-pragmas",
                "-fPIC",
                "-fvisibility=hidden",
                "-I" + TEST_SOURCES,
                "-I" + KERNELS));
    command.addAll(arguments);
    Path log = FOLDER.resolve("g++.txt");
    Process process;
    try {
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
    } catch (IOException e) {
      return Optional.of("the tests on the CUDA stand-in need g++: " + e.getMessage());
    }
    int status = process.waitFor();
    String output = Files.readString(log);
    if (status != 0 || !output.isBlank()) {
      throw new IllegalStateException("g++ ended with status " + status + ":\n" + output);
    }
    return Optional.empty();
  }

  private static boolean isOlder(Path library) throws IOException {
    FileTime built = Files.getLastModifiedTime(library);
    for (Path folder : List.of(KERNELS, TEST_SOURCES)) {
      try (Stream<Path> files = Files.list(folder)) {
        for (Path file : files.toList()) {
          if (Files.getLastModifiedTime(file).compareTo(built) > 0) {
            return true;
          }
        }
      }
    }
    return false;
  }

  /** Skips a test that is about the stand-in itself where a device is used. */
  static void assumeUsed() {
    Assumptions.assumeFalse(GPU, "about the stand-in, and this is a GPU");
  }

  /** Sets the order of all later launches; a device has its own. */
  static void order(Order order) {
    if (GPU) {
      return;
    }
    call("borealisStandInOrder", order.code);
  }

  /** Returns the number of device allocations that are not freed. */
  static int allocations() {
    return ask("borealisStandInAllocations");
  }

  /** Returns the number of products that went to cuBLAS so far. */
  static int products() {
    return ask("borealisStandInProducts");
  }

  /** Sets the compute capability that the stand-in says it has: 80, unless a test needs another. */
  static void capability(int capability) {
    call("borealisStandInCapability", capability);
  }

  /** Returns the number of programmatic launches so far. */
  static int programmaticLaunches() {
    return ask("borealisStandInProgrammaticLaunches");
  }

  private static int ask(String name) {
    try {
      return (int)
          Linker.nativeLinker()
              .downcallHandle(find(name), FunctionDescriptor.of(ValueLayout.JAVA_INT))
              .invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void call(String name, int argument) {
    try {
      int _ =
          (int)
              Linker.nativeLinker()
                  .downcallHandle(
                      find(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
                  .invokeExact(argument);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static MemorySegment find(String name) {
    return SymbolLookup.libraryLookup(LIBRARY.toAbsolutePath(), Arena.global()).findOrThrow(name);
  }
}
