package dev.borealis.cuda;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/**
 * The stand-in for libcuda that {@link StandInLibrary} builds, as the tests use it. No GPU, and no
 * word about one's speed.
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

  private static final String GIVEN = System.getProperty("borealis.standin.library", "");
  private static final Path LIBRARY = GIVEN.isEmpty() ? StandInLibrary.LIBRARY : Path.of(GIVEN);

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
      Optional<String> problem = GIVEN.isEmpty() ? StandInLibrary.build() : Optional.empty();
      if (problem.isEmpty()) {
        System.setProperty("borealis.cuda.library", LIBRARY.toAbsolutePath().toString());
        System.setProperty("borealis.cublas.library", LIBRARY.toAbsolutePath().toString());
        // The kernels are in the stand-in; a cubin's have to have the same parameters. Where nvcc
        // has made none, any file will do.
        Path image = Cubin.of(90).orElse(LIBRARY);
        System.setProperty("borealis.cuda.image", image.toAbsolutePath().toString());
      }
      return problem;
    } catch (IOException e) {
      throw new IllegalStateException("can't build the stand-in for libcuda", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the stand-in was built", e);
    }
  }

  /** Skips a test that is about the stand-in itself where a device is used. */
  static void assumeUsed() {
    Assumptions.assumeFalse(GPU, "about the stand-in, and this is a GPU");
  }

  /** Sets the order of all later launches. */
  static void order(Order order) {
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

  /** Lets the allocation on the device that is the number-th from now fail; 0: none. */
  static void failAllocation(int number) {
    call("borealisStandInFailAllocation", number);
  }

  /** Returns the largest shared memory of a kernel's launches so far, -1 without any. */
  static int largestShared(String kernel) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(kernel);
      return (int)
          Linker.nativeLinker()
              .downcallHandle(
                  find("borealisStandInLargestShared"),
                  FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS))
              .invokeExact(name);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Notes all later launches, with their memory, in a file that replay.cpp reads; null: no more.
   */
  static void record(@Nullable Path file) {
    if (GPU) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = file == null ? MemorySegment.NULL : arena.allocateFrom(file.toString());
      int status =
          (int)
              Linker.nativeLinker()
                  .downcallHandle(
                      find("borealisStandInRecord"),
                      FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS))
                  .invokeExact(name);
      if (status != 0) {
        throw new IllegalStateException("can't write " + file);
      }
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Changes something about the stand-in; a device stays as it is. */
  private static void call(String name, int argument) {
    if (GPU) {
      return;
    }
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
