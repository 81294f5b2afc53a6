package dev.borealis.examples.serving;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.examples.encoder.Method;
import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Site;
import dev.borealis.io.PeftCheckpoint;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * One directory of PEFT folders, an adapter each at query and value of every layer. The methods
 * take turns; weights are random, as if something had been learnt.
 */
final class AdapterFolders {
  private static final List<Site> SITES = List.of(Site.QUERY, Site.VALUE);
  private static final List<Method> METHODS =
      List.of(Method.LORA, Method.AURORA, Method.NORA, Method.NOLORA);
  private static final double DEVIATION = 0.05;

  private final Path root;
  private final MiniLmWeights model;

  AdapterFolders(Path root, MiniLmWeights model) {
    this.root = root;
    this.model = model;
  }

  static Method method(int number) {
    return METHODS.get(number % METHODS.size());
  }

  static String name(int number) {
    return "%02d-%s".formatted(number, method(number).title().toLowerCase(Locale.ROOT));
  }

  static String module(int layer, Site site) {
    return "encoder.layer." + layer + "." + site.path();
  }

  Path folder(int number) {
    return root.resolve(name(number));
  }

  /** Writes an adapter's folder; another version has other numbers. */
  void write(int number, int version) throws IOException {
    var modules = new LinkedHashMap<String, AdapterWeights>();
    try (Arena arena = Arena.ofConfined()) {
      for (int layer = 0; layer < model.layers().size(); layer++) {
        for (Site site : SITES) {
          LinearWeights base = model.layers().get(layer).at(site);
          long seed = (version * 1_000L + number) * 1_000 + modules.size();
          AdapterWeights weights =
              AdapterWeights.initialise(method(number).spec(base.in(), base.out()), seed, arena);
          randomise(weights.get(Parameter.B), new Random(seed));
          modules.put(module(layer, site), weights);
        }
      }
      PeftCheckpoint.save(folder(number), modules);
    }
  }

  private static void randomise(Tensor b, Random random) {
    for (long row = 0; row < b.rows(); row++) {
      for (long column = 0; column < b.columns(); column++) {
        b.set(row, column, (float) (random.nextGaussian() * DEVIATION));
      }
    }
  }
}
