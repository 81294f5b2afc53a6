package dev.borealis.jmh.compare;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What a report says of where it was made. */
final class Machine {
  private static final long CACHE_UNLESS_KNOWN = 32L << 20;

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

  /** {@return bytes of the last-level cache, 32 MiB where the system doesn't tell} */
  static long lastLevelCache() {
    try {
      String size =
          Files.readString(Path.of("/sys/devices/system/cpu/cpu0/cache/index3/size")).strip();
      return Long.parseLong(size.replace("K", "")) << 10;
    } catch (IOException | NumberFormatException e) {
      return CACHE_UNLESS_KNOWN;
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
