package dev.borealis.jmh.compare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A size of linear layer.
 *
 * @param names of the layers of that size, {@code model.layer}
 * @param inFeatures d_in
 * @param outFeatures d_out
 */
public record Layer(List<String> names, int inFeatures, int outFeatures) {
  /** Copies the list. */
  public Layer {
    names = List.copyOf(names);
  }

  /**
   * Reads the files {@code MODEL.txt} of a folder, a layer a line.
   *
   * @param folder of the files
   * @return each size once, smallest first
   * @throws IOException if a file can't be read or has a line that isn't {@code name d_in d_out}
   */
  public static List<Layer> read(Path folder) throws IOException {
    Map<List<Integer>, List<String>> bySize = new LinkedHashMap<>();
    List<Path> files;
    try (Stream<Path> list = Files.list(folder)) {
      files = list.filter(file -> file.toString().endsWith(".txt")).sorted().toList();
    }
    for (Path file : files) {
      String model = file.getFileName().toString().replace(".txt", "");
      for (String line : Files.readAllLines(file)) {
        if (line.isBlank() || line.startsWith("#")) {
          continue;
        }
        String[] fields = line.split(" ", -1);
        if (fields.length != 3) {
          throw new IOException(file + ": expected `name d_in d_out`, came: " + line);
        }
        List<Integer> size = List.of(Integer.valueOf(fields[1]), Integer.valueOf(fields[2]));
        bySize.computeIfAbsent(size, key -> new ArrayList<>()).add(model + "." + fields[0]);
      }
    }
    return bySize.entrySet().stream()
        .map(e -> new Layer(e.getValue(), e.getKey().get(0), e.getKey().get(1)))
        .sorted((a, b) -> Long.compare(a.weights(), b.weights()))
        .toList();
  }

  /** {@return the number of weights of the base layer} */
  public long weights() {
    return (long) inFeatures * outFeatures;
  }

  /** {@return {@code d_in × d_out}} */
  public String size() {
    return inFeatures + " × " + outFeatures;
  }
}
