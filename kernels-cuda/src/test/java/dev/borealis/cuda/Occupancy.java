package dev.borealis.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** NVIDIA's occupancy calculator, {@code cuda_occupancy.h}, in a small program: it needs no GPU. */
final class Occupancy {
  private static final String HEADER = "cuda_occupancy.h";

  /**
   * What is asked: a kernel's registers a thread and shared memory, for sm_{@code architecture}.
   */
  record Query(int architecture, int registers, long sharedBytes) {}

  /**
   * What a multiprocessor holds.
   *
   * @param blocks of 256 threads, at a time
   * @param most blocks that its threads would allow
   * @param limit what keeps it from more
   */
  record Answer(int blocks, int most, String limit) {
    int percent() {
      return Math.round(100f * blocks / most);
    }
  }

  private Occupancy() {}

  /** Returns the folder with the header, if there is one. */
  private static Optional<Path> include() {
    List<Path> folders = new ArrayList<>();
    String home = System.getenv("CUDA_HOME");
    if (home != null) {
      folders.add(Path.of(home, "include"));
    }
    for (String folder : System.getenv().getOrDefault("PATH", "").split(":", -1)) {
      folders.add(Path.of(folder).resolveSibling("include"));
    }
    folders.add(Path.of("/usr/local/cuda/include"));
    return folders.stream().filter(folder -> Files.exists(folder.resolve(HEADER))).findFirst();
  }

  /** Returns an answer for each query, or nothing where there is no such header. */
  static Optional<List<Answer>> of(List<Query> queries) throws IOException, InterruptedException {
    Optional<Path> include = include();
    if (include.isEmpty()) {
      return Optional.empty();
    }
    Path program = StandInLibrary.FOLDER.resolve("occupancy");
    Optional<String> problem =
        StandInLibrary.compile(
            List.of(
                "-isystem",
                include.get().toString(),
                "-o",
                program.toString(),
                StandInLibrary.TEST_SOURCES.resolve("occupancy.cpp").toString()));
    if (problem.isPresent()) {
      return Optional.empty();
    }
    StringBuilder input = new StringBuilder();
    for (Query query : queries) {
      input.append(query.architecture()).append(' ').append(query.registers());
      input.append(' ').append(query.sharedBytes()).append('\n');
    }
    // A file, not a pipe, which could fill while this end still writes.
    Path file = StandInLibrary.FOLDER.resolve("occupancy.txt");
    Files.writeString(file, input);
    Process process = new ProcessBuilder(program.toString()).redirectInput(file.toFile()).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    List<Answer> answers = new ArrayList<>();
    for (String line : output.lines().toList()) {
      String[] parts = line.split(" ", 3);
      answers.add(new Answer(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), parts[2]));
    }
    if (status != 0 || answers.size() != queries.size()) {
      throw new IllegalStateException("occupancy ended with status " + status + ":\n" + output);
    }
    return Optional.of(answers);
  }
}
