package dev.borealis.ffm;

import java.nio.file.Files;
import java.nio.file.Path;

/** Run in a JVM of its own: initialises every class, then says what is unavailable and why. */
public final class UnavailableProbe {
  private UnavailableProbe() {}

  /** Takes the folder of the classes, and whether jextract's are to be initialised as well. */
  public static void main(String[] args) throws Exception {
    Path classes = Path.of(args[0]);
    int count = 0;
    try (var files = Files.walk(classes)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".class")).toList()) {
        String name = classes.relativize(file).toString().replace(".class", "").replace('/', '.');
        // jextract's holders of single functions look their symbol up when initialised, on first
        // use.
        boolean holder = name.matches(".*(CudaDriver|CublasApi)\\$(cu|cublas)[A-Z].*");
        boolean leftOut = name.contains(".generated.") && !Boolean.parseBoolean(args[1]);
        if (!holder && !leftOut && !name.endsWith("-info")) {
          Class.forName(name);
          count++;
        }
      }
    }
    System.out.println("initialised " + (count > 20 ? "all" : "only " + count));
    System.out.println(Cuda.unavailable().orElse("available"));
    System.out.println(Cublas.unavailable().orElse("available"));
    try {
      Device.count();
    } catch (CudaUnavailableException e) {
      System.out.println(e.getMessage());
    }
  }
}
