package dev.borealis.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Builds the stand-in for libcuda: the kernels' own source, compiled by g++ with one fiber per CUDA
 * thread. Used by the tests, and by the build itself, as a source file, where {@code
 * -Dborealis.standin} asks for it. Paths are relative to this module's folder.
 */
final class StandInLibrary {
  static final Path TEST_SOURCES = Path.of("src/test/cpp");
  static final Path KERNELS = Path.of("src/main/cuda");
  static final Path FOLDER = Path.of("target/standin");
  static final Path LIBRARY = FOLDER.resolve("libcuda-standin.so");

  private StandInLibrary() {}

  public static void main(String[] args) throws Exception {
    Optional<String> problem = build();
    problem.ifPresent(System.err::println);
    System.exit(problem.isPresent() ? 1 : 0);
  }

  /** Compiles the library unless it is newer than its sources; returns why it can't, if so. */
  static Optional<String> build() throws IOException, InterruptedException {
    if (isFresh(LIBRARY)) {
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
            TEST_SOURCES.resolve("cubin.cpp").toString(),
            TEST_SOURCES.resolve("cublas.cpp").toString(),
            TEST_SOURCES.resolve("driver.cpp").toString()));
  }

  /** Compiles the library for AddressSanitizer and UndefinedBehaviorSanitizer. */
  static Path addressChecker() throws IOException, InterruptedException {
    Path library = FOLDER.resolve("libcuda-sanitized.so");
    List<String> link =
        new ArrayList<>(
            List.of("-shared", "-fsanitize=address,undefined", "-o", library.toString()));
    List<String> instrumented =
        List.of(
            "-DBOREALIS_EXACT", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined");
    link.add(object("asan", KERNELS.resolve("borealis.cu"), instrumented));
    link.add(object("asan", TEST_SOURCES.resolve("planted.cu"), instrumented));
    for (String source : List.of("execution.cpp", "cubin.cpp", "cublas.cpp", "driver.cpp")) {
      link.add(object("asan", TEST_SOURCES.resolve(source), List.of("-DBOREALIS_EXACT")));
    }
    compile(link);
    return library;
  }

  /** Compiles replay.cpp with the kernels of one source, watched by ThreadSanitizer. */
  static Path raceDetector(String kernels) throws IOException, InterruptedException {
    Path program = FOLDER.resolve("replay-" + kernels);
    if (!isFresh(program)) {
      Path folder = kernels.equals("borealis.cu") ? KERNELS : TEST_SOURCES;
      compile(
          List.of(
              "-fsanitize=thread",
              "-o",
              program.toString(),
              object("tsan", folder.resolve(kernels), List.of("-fsanitize=thread")),
              object("tsan", TEST_SOURCES.resolve("execution.cpp"), List.of()),
              object("tsan", TEST_SOURCES.resolve("replay.cpp"), List.of())));
    }
    return program;
  }

  /** Compiles one source. The execution itself, which changes stacks, is not instrumented. */
  private static String object(String checker, Path source, List<String> flags)
      throws IOException, InterruptedException {
    String object = FOLDER.resolve(source.getFileName() + "." + checker + ".o").toString();
    List<String> arguments = new ArrayList<>(List.of("-O1", "-g", "-c"));
    arguments.addAll(flags);
    arguments.addAll(List.of("-x", "c++", source.toString(), "-o", object));
    compile(arguments);
    return object;
  }

  /** The file of a sanitizer's library; just its name if there is none. */
  static String runtime(String name) throws IOException, InterruptedException {
    Process process = new ProcessBuilder("g++", "-print-file-name=lib" + name + ".so").start();
    String file = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return file.strip();
  }

  static boolean hasRuntime(String name) throws IOException, InterruptedException {
    return Path.of(runtime(name)).isAbsolute() && Files.exists(Path.of(runtime(name)));
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
      return Optional.of("the CUDA stand-in needs g++: " + e.getMessage());
    }
    int status = process.waitFor();
    String output = Files.readString(log);
    if (status != 0 || !output.isBlank()) {
      throw new IllegalStateException("g++ ended with status " + status + ":\n" + output);
    }
    return Optional.empty();
  }

  private static boolean isFresh(Path result) throws IOException {
    if (!Files.exists(result)) {
      return false;
    }
    FileTime built = Files.getLastModifiedTime(result);
    for (Path folder : List.of(KERNELS, TEST_SOURCES)) {
      try (Stream<Path> files = Files.list(folder)) {
        for (Path file : files.toList()) {
          if (Files.getLastModifiedTime(file).compareTo(built) > 0) {
            return false;
          }
        }
      }
    }
    return true;
  }
}
