package dev.borealis.jmh.compare;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What a report says of where it was made. */
final class Machine {
  private static final long[] CACHES_UNLESS_KNOWN = {32L << 10, 1L << 20, 32L << 20};

  private Machine() {}

  /** {@return the processor's name and number of threads} */
  static String processor() {
    String name = System.getProperty("os.arch");
    try {
      name =
          Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
              .filter(line -> line.startsWith("model name"))
              .map(line -> line.substring(line.indexOf(':') + 1).strip())
              .findFirst()
              .orElse(name);
    } catch (IOException e) {
      // Not Linux.
    }
    return name + ", " + Runtime.getRuntime().availableProcessors() + " processors";
  }

  /** {@return bytes of the last-level cache} */
  static long lastLevelCache() {
    return cache(3);
  }

  /**
   * {@return bytes of a cache for data; where the system doesn't tell, a usual size}
   *
   * @param level 1 to 3
   */
  static long cache(int level) {
    // index0 is L1's data cache, index1 that for instructions.
    Path size =
        Path.of("/sys/devices/system/cpu/cpu0/cache/index" + (level == 1 ? 0 : level) + "/size");
    try {
      return Long.parseLong(Files.readString(size).strip().replace("K", "")) << 10;
    } catch (IOException | NumberFormatException e) {
      return CACHES_UNLESS_KNOWN[level - 1];
    }
  }

  /** {@return the JDK} */
  static String jdk() {
    return System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version");
  }

  /** {@return the operating system} */
  static String system() {
    return System.getProperty("os.name") + " " + System.getProperty("os.version");
  }

  /** {@return the commit that was measured, with a mark if files differ from it} */
  static String commit() {
    String commit = git("rev-parse", "--short=12", "HEAD");
    String changed = git("status", "--porcelain", "--untracked-files=no");
    return commit.isEmpty() ? "unknown" : commit + (changed.isEmpty() ? "" : " with changes");
  }

  private static String git(String... arguments) {
    try {
      List<String> command = new ArrayList<>(List.of("git"));
      command.addAll(List.of(arguments));
      Process process = new ProcessBuilder(command).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.waitFor() == 0 ? output.strip() : "";
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }
}
