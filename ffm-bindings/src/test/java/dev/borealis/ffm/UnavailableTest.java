package dev.borealis.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A machine without the libraries gets one line, and no exception before it asks for the device.
 */
class UnavailableTest {
  private static final Path CLASSES = Path.of("target", "classes");
  private static final String ENABLED = "--enable-native-access=ALL-UNNAMED";

  @Test
  void noDriver() throws Exception {
    if (isInstalled("libcuda.so.1")) {
      NativeCompiler.skip("this machine has a CUDA driver");
    }
    String reason = "unavailable: libcuda.so.1 not found";
    assertEquals(List.of("initialised all", reason, reason, reason), probe(ENABLED));
  }

  @Test
  void librariesThatTheSystemsLoaderFinds(@TempDir Path folder) throws Exception {
    Path library = StandIn.build(folder);
    Files.copy(library, folder.resolve("libcuda.so.1"));
    Files.copy(library, folder.resolve("libcublas.so.12"));
    assertEquals(
        List.of("initialised all", "available", "available"),
        probe(Map.of("LD_LIBRARY_PATH", folder.toString()), ENABLED));
  }

  @Test
  void aDriverThatCannotTellAKernelsParameters(@TempDir Path folder) throws Exception {
    Path library = StandIn.build(folder, "-DBEFORE_CUDA_12_4");
    List<String> lines =
        NativeCompiler.run(
                java(OldDriverProbe.class, ENABLED, "-Dborealis.cuda.library=" + library))
            .lines()
            .toList();
    assertEquals(List.of("6.0"), lines);
  }

  @Test
  void noSuchFile() throws Exception {
    String reason = "unavailable: none/libcuda.so.1 (-Dborealis.cuda.library) not found";
    assertEquals(
        List.of("initialised all", reason, reason, reason),
        probe(ENABLED, "-Dborealis.cuda.library=none/libcuda.so.1"));
  }

  @Test
  void noCublas(@TempDir Path folder) throws Exception {
    assertEquals(
        List.of(
            "initialised all",
            "available",
            "unavailable: none/libcublas.so.12 (-Dborealis.cublas.library) not found"),
        probe(
            ENABLED,
            "-Dborealis.cuda.library=" + StandIn.build(folder),
            "-Dborealis.cublas.library=none/libcublas.so.12"));
  }

  @Test
  void noNativeAccess(@TempDir Path folder) throws Exception {
    String reason =
        "unavailable: native access is denied; run with --enable-native-access=ALL-UNNAMED";
    assertEquals(
        List.of("initialised all", reason, reason, reason),
        probe("--illegal-native-access=deny", "-Dborealis.cuda.library=" + StandIn.build(folder)));
  }

  @Test
  void aFileThatIsNoLibrary(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("libcuda.so.1"), "not a library");
    List<String> lines = probe(ENABLED, "-Dborealis.cuda.library=" + file);
    assertTrue(lines.get(1).startsWith("unavailable: " + file + ": "), lines.get(1));
    assertEquals(4, lines.size(), () -> "one line each: " + lines);
  }

  @Test
  void aSonameThatIsNotThere() {
    NativeLibrary library = library("libborealis-absent.so.1", "libborealis-absent.so.0");
    String reason = "unavailable: libborealis-absent.so.1, libborealis-absent.so.0 not found";
    assertEquals(reason, library.unavailable().orElse(""));
    CudaUnavailableException e = assertThrows(CudaUnavailableException.class, library::require);
    assertEquals(reason, e.getMessage());
  }

  @Test
  void aLibraryWithoutTheFunctions() {
    // The C library is there wherever these tests run, and has no CUDA in it.
    assertEquals(
        "unavailable: libc.so.6 has no cuCtxSetCurrent; something newer is needed",
        library("libborealis-absent.so.1", "libc.so.6").unavailable().orElse(""));
  }

  private static NativeLibrary library(String... sonames) {
    return new NativeLibrary(
        "borealis.test.library",
        List.of(sonames),
        CudaDriver.class,
        Set.of(),
        "something newer is needed");
  }

  private static boolean isInstalled(String soname) {
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup.libraryLookup(soname, arena);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** What {@link UnavailableProbe} says in a new JVM, run with these options. */
  private static List<String> probe(String... options) throws Exception {
    return probe(Map.of(), options);
  }

  private static List<String> probe(Map<String, String> environment, String... options)
      throws Exception {
    List<String> command = java(UnavailableProbe.class, options);
    command.add(CLASSES.toString());
    command.add(String.valueOf(List.of(options).contains(ENABLED)));
    return NativeCompiler.run(command, environment).lines().toList();
  }

  private static List<String> java(Class<?> main, String... options) {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    List<String> command = new ArrayList<>(List.of(java, "-XX:+DisplayVMOutputToStderr"));
    command.addAll(List.of(options));
    String classPath = CLASSES + ":" + Path.of("target", "test-classes");
    command.addAll(List.of("-cp", classPath, main.getName()));
    return command;
  }
}
