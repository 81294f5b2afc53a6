package dev.borealis.io;

import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;

/** Finds a module by the end of its path. */
final class ModuleNames {
  private static final int SHOWN = 8;

  private ModuleNames() {}

  /**
   * {@return the one path that is the suffix, or else the one that ends in a dot and the suffix}
   *
   * @param paths all paths
   * @param suffix a path, or its last segments
   * @param source the file, for messages
   * @throws NoSuchElementException if there is none
   * @throws IllegalArgumentException if several paths end so; the message names them
   */
  static String find(Set<String> paths, String suffix, String source) {
    if (paths.contains(suffix)) {
      return suffix;
    }
    List<String> found = paths.stream().filter(path -> path.endsWith("." + suffix)).toList();
    if (found.isEmpty()) {
      throw new NoSuchElementException(
          source
              + ": expected the end of one of "
              + paths.size()
              + " modules such as "
              + paths.stream().limit(SHOWN).toList()
              + ", came "
              + suffix);
    }
    if (found.size() > 1) {
      throw new IllegalArgumentException(
          source
              + ": expected the end of one module, came "
              + suffix
              + ", which "
              + found.size()
              + " have: "
              + String.join(", ", found));
    }
    return found.getFirst();
  }
}
