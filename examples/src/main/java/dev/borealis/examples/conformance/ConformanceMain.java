package dev.borealis.examples.conformance;

import dev.borealis.backend.Backend;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Runs every case of a folder on the backend that {@code -Dborealis.backend} names and prints a
 * line for each. Exit status: 0 if all passed, 1 if one failed, 2 if there was nothing to run.
 */
public final class ConformanceMain {
  private ConformanceMain() {}

  /**
   * Runs the cases.
   *
   * @param args the folder of cases
   */
  public static void main(String[] args) {
    if (args.length != 1 || args[0].isBlank()) {
      System.err.println("expected one argument, the folder of cases; came " + List.of(args));
      System.exit(2);
    }
    try {
      List<Path> files = files(Path.of(args[0]));
      if (files.isEmpty()) {
        System.err.println(args[0] + ": expected *.safetensors, came none");
        System.exit(2);
      }
      System.exit(run(files, Backend.auto(), System.out) == 0 ? 0 : 1);
    } catch (NotDirectoryException e) {
      System.err.println(e.getMessage() + ": expected a folder of cases");
      System.exit(2);
    } catch (IOException e) {
      System.err.println(args[0] + ": " + e);
      System.exit(2);
    }
  }

  /**
   * Lists the cases of a folder by name.
   *
   * @param folder with files {@code *.safetensors}
   * @throws NotDirectoryException if it is none
   * @throws IOException if it can't be read
   */
  static List<Path> files(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      throw new NotDirectoryException(folder.toString());
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.filter(file -> file.toString().endsWith(".safetensors")).sorted().toList();
    }
  }

  /**
   * Runs cases and prints a line for each and a summary.
   *
   * @param files the cases
   * @param backend what to run on
   * @param out where the lines go
   * @return how many failed
   */
  static int run(List<Path> files, Backend backend, PrintStream out) {
    out.println(files.size() + " cases on " + backend);
    CaseRunner runner = new CaseRunner(backend);
    int failed = 0;
    for (Path file : files) {
      try (Arena arena = Arena.ofShared()) {
        CaseReport report = runner.run(ConformanceCase.open(file, arena));
        out.println(report);
        failed += report.passed() ? 0 : 1;
      } catch (IOException | RuntimeException e) {
        // A case that can't be run has failed; the others are still worth running.
        out.println("FAILED " + file.getFileName() + ": " + e);
        failed++;
      }
    }
    // Test runners' usual summary, alone on the last line for whoever reads it by program.
    out.println(files.size() - failed + " passed, " + failed + " failed");
    return failed;
  }
}
