package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The stand-in for libcuda and libcublas, {@code src/test/c/standin.c}: how to order and ask it.
 */
final class StandIn {
  /** What a call of the driver that was told to fail returns. */
  static final int LAUNCH_FAILED = 719;

  private static boolean loaded;

  private StandIn() {}

  /**
   * Compiles the stand-in and has it used as the driver and cuBLAS of this JVM; skips if it can't.
   */
  static synchronized void load() throws IOException, InterruptedException {
    if (!loaded) {
      Path library = build(Path.of("target"));
      System.setProperty("borealis.cuda.library", library.toString());
      System.setProperty("borealis.cublas.library", library.toString());
      NativeLibrary.DRIVER.require();
      NativeLibrary.CUBLAS.require();
      loaded = true;
    }
    reset(0, true);
  }

  /** Compiles the stand-in into a folder, with further options of the compiler's. */
  static Path build(Path folder, String... options) throws IOException, InterruptedException {
    Files.createDirectories(folder);
    Path library = folder.resolve("standin.so").toAbsolutePath();
    List<String> arguments = new ArrayList<>(List.of(options));
    Collections.addAll(
        arguments,
        "-std=c11",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-o",
        library.toString(),
        Path.of("src", "test", "c", "standin.c").toString());
    NativeCompiler.compile(
        List.of("cc", "gcc", "clang"),
        "the stand-in for libcuda",
        arguments.toArray(String[]::new));
    return library;
  }

  /**
   * Forgets all that was.
   *
   * @param call which call from now on fails, from 1; 0 for none
   * @param failuresTakeEffect whether a release that fails releases nevertheless
   */
  static void reset(int call, boolean failuresTakeEffect) {
    call(
        "standin_reset",
        FunctionDescriptor.ofVoid(JAVA_INT, JAVA_INT),
        call,
        failuresTakeEffect ? 1 : 0);
  }

  /** Lets the given call from now on fail, from 1, and keeps everything else as it is. */
  static void failLater(int call) {
    call("standin_fail_later", FunctionDescriptor.ofVoid(JAVA_INT), call);
  }

  static void setNoDevice(boolean value) {
    call("standin_set_no_device", FunctionDescriptor.ofVoid(JAVA_INT), value ? 1 : 0);
  }

  static void setNotReady(boolean value) {
    call("standin_set_not_ready", FunctionDescriptor.ofVoid(JAVA_INT), value ? 1 : 0);
  }

  static int calls() {
    return (int) call("standin_calls", FunctionDescriptor.of(JAVA_INT));
  }

  /** Everything that was created and not released. */
  static int live() {
    return (int) call("standin_live", FunctionDescriptor.of(JAVA_INT));
  }

  /** The function that was made to fail; empty if none was. */
  static String failed() {
    return string("standin_failed");
  }

  /** The first misuse that the stand-in saw; empty if there was none. */
  static String misuse() {
    return string("standin_misuse");
  }

  /** The address of cuBLAS's workspace, 0 if it is its own. */
  static long workspace() {
    return ((MemorySegment) call("standin_workspace", FunctionDescriptor.of(ADDRESS))).address();
  }

  /** Grid, block, shared bytes, cluster, cooperative, programmatic, number of attributes. */
  static List<Integer> lastLaunch() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT, 13);
      call("standin_last_launch", FunctionDescriptor.ofVoid(ADDRESS), out);
      return Arrays.stream(out.toArray(JAVA_INT)).boxed().toList();
    }
  }

  private static String string(String function) {
    MemoryLayout characters = MemoryLayout.sequenceLayout(Long.MAX_VALUE, JAVA_BYTE);
    Object text = call(function, FunctionDescriptor.of(ADDRESS.withTargetLayout(characters)));
    return ((MemorySegment) text).getString(0);
  }

  private static Object call(String function, FunctionDescriptor descriptor, Object... arguments) {
    try {
      return Linker.nativeLinker()
          .downcallHandle(SymbolLookup.loaderLookup().findOrThrow(function), descriptor)
          .invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw new LinkageError(function, e);
    }
  }
}
