import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * Compiles borealis.cu into one fatbin for the architectures below, with PTX of the last for those to
 * come. Run by the build, as a source file: {@code java DeviceCode.java SOURCES WORK RESOURCES}.
 *
 * <p>Without nvcc it says in one line what that means, and succeeds. With sources that it has compiled
 * before, it copies the result. WORK keeps the cubins and what ptxas says about each kernel, for tests.
 */
final class DeviceCode {
  private static final List<Integer> ARCHITECTURES = List.of(80, 90, 100, 120);

  private DeviceCode() {}

  public static void main(String[] args) throws Exception {
    Path sources = Path.of(args[0]);
    Path work = Path.of(args[1]);
    Path resources = Path.of(args[2]);
    Path result = resources.resolve("borealis.fatbin");
    Path nvcc = nvcc();
    if (nvcc == null) {
      Files.deleteIfExists(result);
      Files.deleteIfExists(work.resolve("borealis.stamp"));
      System.out.println(
          "Device code left out: no nvcc on the PATH, in $CUDA_HOME or in /usr/local/cuda. This build"
              + " works on the CPU; its CUDA backend says that it has no device code.");
      return;
    }
    Files.createDirectories(work);
    Files.createDirectories(resources);
    Path fatbin = work.resolve("borealis.fatbin");
    Path stamp = work.resolve("borealis.stamp");
    String state = state(sources, nvcc);
    boolean fresh =
        Files.exists(fatbin) && Files.exists(stamp) && Files.readString(stamp).equals(state);
    if (!fresh) {
      Files.deleteIfExists(stamp);
      System.out.println("Compiling device code with " + nvcc + " for sm_" + ARCHITECTURES);
      compile(nvcc, sources, work, fatbin);
      Files.writeString(stamp, state);
    }
    Files.copy(fatbin, result, StandardCopyOption.REPLACE_EXISTING);
  }

  private static Path nvcc() {
    List<Path> folders = new ArrayList<>();
    for (String folder : System.getenv().getOrDefault("PATH", "").split(":", -1)) {
      folders.add(Path.of(folder));
    }
    String home = System.getenv("CUDA_HOME");
    if (home != null) {
      folders.add(Path.of(home, "bin"));
    }
    folders.add(Path.of("/usr/local/cuda/bin"));
    for (Path folder : folders) {
      if (Files.isExecutable(folder.resolve("nvcc"))) {
        return folder.resolve("nvcc");
      }
    }
    return null;
  }

  /** What the result depends on. */
  private static String state(Path sources, Path nvcc) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    List<Path> files;
    try (Stream<Path> list = Files.list(sources)) {
      files = list.sorted().toList();
    }
    for (Path file : files) {
      digest.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
      digest.update(Files.readAllBytes(file));
    }
    digest.update(Files.readAllBytes(Path.of("src/build/java/DeviceCode.java")));
    return HexFormat.of().formatHex(digest.digest()) + " " + Files.size(nvcc);
  }

  private static void compile(Path nvcc, Path sources, Path work, Path fatbin)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(nvcc.toString(), "-std=c++17", "-O3"));
    for (int architecture : ARCHITECTURES) {
      command.add("-gencode=arch=compute_" + architecture + ",code=sm_" + architecture);
    }
    int last = ARCHITECTURES.getLast();
    command.add("-gencode=arch=compute_" + last + ",code=compute_" + last);
    command.addAll(
        List.of(
            "--threads=0",
            "-Xptxas=-v",
            "--compress-mode=size",
            "--keep",
            "--keep-dir=" + work,
            "-fatbin",
            "-o",
            fatbin.toString(),
            sources.resolve("borealis.cu").toString()));
    Path log = work.resolve("ptxas.txt");
    int status =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start()
            .waitFor();
    if (status != 0) {
      System.out.println(Files.readString(log));
      throw new IOException("nvcc ended with status " + status);
    }
    // All intermediate files but the cubins, which tests read.
    try (Stream<Path> list = Files.list(work)) {
      for (Path file : list.toList()) {
        String name = file.getFileName().toString();
        if (!name.endsWith(".cubin") && !file.equals(fatbin) && !file.equals(log)) {
          Files.delete(file);
        }
      }
    }
  }
}
