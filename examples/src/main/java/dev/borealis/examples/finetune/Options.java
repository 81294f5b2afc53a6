package dev.borealis.examples.finetune;

import dev.borealis.adapter.SplineMode;
import dev.borealis.examples.minilm.Site;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;

/**
 * What a run does. Every option is a system property {@code finetune.NAME}; those left out or empty
 * have the default of the recipe.
 *
 * @param kind which adapter: {@code method}, {@code rank}, {@code spline}
 * @param targets where adapters are attached: {@code targets}, of q, k, v, o, up, down
 * @param seeds one run each: {@code seeds}
 * @param train number of training examples: {@code train}
 * @param epochs passes over them: {@code epochs}
 * @param adapterRate peak learning rate of the adapters: {@code lr}
 * @param headRate peak learning rate of the head: {@code headLr}
 * @param out folder of what comes out: {@code out}
 * @param resume whether to go on where a stopped run saved its state: {@code resume}
 */
record Options(
    AdapterKind kind,
    Set<Site> targets,
    List<Long> seeds,
    int train,
    int epochs,
    double adapterRate,
    double headRate,
    Path out,
    boolean resume) {
  private static final String PREFIX = "finetune.";
  private static final int HIGH_RANK = 8;

  /** The recipe for one adapter and seed; goes on where it was stopped. */
  static Options recipe(AdapterKind kind, long seed, Path out) {
    return new Options(
        kind,
        EnumSet.of(Site.QUERY, Site.VALUE),
        List.of(seed),
        GlossSplit.TRAIN,
        3,
        kind.rank() < HIGH_RANK ? 4e-3 : 2e-3,
        1e-2,
        out,
        true);
  }

  /** Reads the system properties. */
  static Options read() {
    AdapterKind kind =
        new AdapterKind(
            option("method", "aurora", name -> AdapterKind.Method.valueOf(upper(name))),
            option("rank", "2", Integer::parseInt),
            option("spline", "sum", name -> SplineMode.valueOf(upper(name))));
    Options recipe = recipe(kind, 0, path("out"));
    return new Options(
        kind,
        option("targets", "q,v", Options::sites),
        option("seeds", "0", list -> split(list).map(Long::parseLong).toList()),
        option("train", "" + recipe.train(), Options::trainSize),
        option("epochs", "" + recipe.epochs(), Options::positive),
        option("lr", "" + recipe.adapterRate(), Double::parseDouble),
        option("headLr", "" + recipe.headRate(), Double::parseDouble),
        recipe.out(),
        option("resume", "false", Boolean::parseBoolean));
  }

  /** The folder of what comes out. */
  static Path path(String name) {
    return option(name, Path.of("target", "finetune").toString(), Path::of);
  }

  private static <T> T option(String name, String preset, Function<String, T> parser) {
    String value = System.getProperty(PREFIX + name, "");
    try {
      return parser.apply(value.isEmpty() ? preset : value);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "%s: expected something like %s, came %s (%s)"
              .formatted(name, preset, value, e.getMessage()),
          e);
    }
  }

  private static String upper(String name) {
    return name.toUpperCase(Locale.ROOT);
  }

  private static java.util.stream.Stream<String> split(String list) {
    return Arrays.stream(list.split(",", -1)).map(String::trim);
  }

  private static Set<Site> sites(String list) {
    Set<Site> sites = EnumSet.noneOf(Site.class);
    split(list).forEach(name -> sites.add(site(name)));
    return sites;
  }

  private static Site site(String name) {
    return switch (name) {
      case "q", "query" -> Site.QUERY;
      case "k", "key" -> Site.KEY;
      case "v", "value" -> Site.VALUE;
      case "o", "output" -> Site.OUTPUT;
      case "up" -> Site.UP;
      case "down" -> Site.DOWN;
      default -> throw new IllegalArgumentException("no linear layer " + name);
    };
  }

  private static int trainSize(String value) {
    int size = positive(value);
    if (size > GlossSplit.TRAIN) {
      throw new IllegalArgumentException("at most " + GlossSplit.TRAIN);
    }
    return size;
  }

  private static int positive(String value) {
    int number = Integer.parseInt(value);
    if (number < 1) {
      throw new IllegalArgumentException("at least 1");
    }
    return number;
  }

  /** What was built, if whoever started the run has said so. */
  static String commit() {
    return option("commit", "unknown", name -> name);
  }

  /** The name of a run in paths. */
  String slug(long seed) {
    return kind.slug() + "-seed" + seed;
  }
}
