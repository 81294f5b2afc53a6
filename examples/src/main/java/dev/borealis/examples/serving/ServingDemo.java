package dev.borealis.examples.serving;

import static dev.borealis.examples.CheckFailedException.require;

import dev.borealis.backend.Backend;
import dev.borealis.examples.encoder.BorealisProjections;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.GlossReader;
import dev.borealis.examples.minilm.MiniLmArtifact;
import dev.borealis.examples.minilm.MiniLmConfig;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.OnnxWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.examples.minilm.SentenceTokenizer;
import dev.borealis.examples.minilm.TokenBatch;
import dev.borealis.serving.AdapterLoader;
import dev.borealis.serving.AdapterRegistry;
import dev.borealis.serving.Lease;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The MiniLM encoder serving 32 adapters of four methods from one directory of PEFT folders: mixed
 * batches that agree to the bit with one-adapter runs, a version swapped while they run, and speed.
 */
public final class ServingDemo {
  private static final int ADAPTERS = 32;
  private static final int SENTENCES = 64;
  private static final int MAX_LENGTH = 64;
  private static final int SWAPPED = 5;
  private static final int BATCHES_BEFORE = 3;
  private static final int BATCHES_AFTER = 3;
  private static final int WARM_UP = 2;
  private static final int ROUNDS = 7;
  private static final long BUDGET = 64 << 20;

  private final MiniLmWeights model;
  private final Projection.Factory plain;
  private final AdapterFolders folders;
  private final AdapterRegistry registry;
  private final Arena arena;
  private final List<int[]> sentences;
  private final TokenBatch batch;
  private final EncoderWorkspace workspace;
  private final Server server;

  private ServingDemo(
      MiniLmWeights model,
      Projection.Factory plain,
      AdapterFolders folders,
      AdapterRegistry registry,
      Backend backend,
      List<int[]> sentences,
      Arena arena) {
    this.model = model;
    this.plain = plain;
    this.folders = folders;
    this.registry = registry;
    this.arena = arena;
    this.sentences = sentences;
    this.batch = TokenBatch.of(sentences);
    this.workspace = new EncoderWorkspace(model.config(), batch.tokens(), false, arena);
    List<String> names = IntStream.range(0, ADAPTERS).mapToObj(AdapterFolders::name).toList();
    this.server = new Server(model, plain, backend, registry, names, workspace, batch.tokens());
  }

  /**
   * Runs all parts, printing to standard output.
   *
   * @throws dev.borealis.examples.CheckFailedException if a check fails
   * @throws UncheckedIOException if the adapters can't be written or read
   */
  public static void run() {
    long start = System.nanoTime();
    Path root = null;
    try {
      root = Files.createTempDirectory("borealis-adapters");
      run(root);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      delete(root);
    }
    System.out.printf("%nAll checks passed in %.0f s.%n", (System.nanoTime() - start) / 1e9);
  }

  private static void run(Path root) throws IOException {
    Backend backend = Backend.auto();
    System.out.printf("all-MiniLM-L6-v2 serving %d adapters, backend %s%n", ADAPTERS, backend);
    try (var arena = Arena.ofShared();
        var tokenizer = SentenceTokenizer.open(MAX_LENGTH)) {
      OnnxWeights onnx = OnnxWeights.parse(MiniLmArtifact.onnxModel());
      MiniLmWeights model = MiniLmWeights.of(MiniLmConfig.ALL_MINILM_L6_V2, onnx, arena);
      var folders = new AdapterFolders(root, model);
      var registry = new AdapterRegistry(backend, BUDGET);
      try (registry;
          var projections = new BorealisProjections(model, backend)) {
        var demo =
            new ServingDemo(
                model,
                projections.plain(),
                folders,
                registry,
                backend,
                sentences(tokenizer),
                arena);
        demo.load();
        demo.agreement();
        demo.swap();
        demo.speed();
      }
      System.out.printf("%nRegistry closed: %s%n", registry.counters());
      require(
          registry.counters().open() == 0 && registry.counters().bytes() == 0,
          "registry: expected all memory freed, came " + registry.counters());
    }
  }

  private static void delete(@Nullable Path root) {
    if (root == null) {
      return;
    }
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Definitions spread over the whole of WordNet. */
  private static List<int[]> sentences(SentenceTokenizer tokenizer) {
    List<Gloss> glosses = GlossReader.nouns();
    return IntStream.range(0, SENTENCES)
        .mapToObj(i -> glosses.get((int) (i * 10_007L % glosses.size())))
        .map(gloss -> tokenizer.encode(gloss.definition()))
        .toList();
  }

  private void load() throws IOException {
    for (int number = 0; number < ADAPTERS; number++) {
      folders.write(number, 1);
    }
    long start = System.nanoTime();
    for (int number = 0; number < ADAPTERS; number++) {
      registry.load(AdapterFolders.name(number), AdapterLoader.peft(folders.folder(number)));
    }
    System.out.printf(
        "%nLoaded %d PEFT folders in %.0f ms: %.1f MB of weights%n",
        ADAPTERS, (System.nanoTime() - start) / 1e6, registry.counters().bytes() / 1e6);
  }

  /** Two sentences an adapter, in turns; the first two without one. */
  private static int adapterOf(int sentence) {
    return sentence < 2 ? -1 : sentence % ADAPTERS;
  }

  private static int[] mixed() {
    return IntStream.range(0, SENTENCES).map(ServingDemo::adapterOf).toArray();
  }

  private List<Lease> leaseAll() {
    List<Lease> leases = new ArrayList<>();
    for (int number = 0; number < ADAPTERS; number++) {
      leases.add(lease(number));
    }
    return leases;
  }

  private Lease lease(int number) {
    Lease lease = registry.acquire(AdapterFolders.name(number));
    if (lease == null) {
      throw new IllegalStateException("no adapter " + AdapterFolders.name(number));
    }
    return lease;
  }

  private Encoder single(Lease lease) {
    return SingleEncoder.of(model, plain, lease, batch.tokens(), arena);
  }

  /** The sentences of one adapter, −1 for those without. */
  private TokenBatch sentencesOf(int adapter) {
    return TokenBatch.of(
        IntStream.range(0, SENTENCES)
            .filter(sentence -> adapterOf(sentence) == adapter)
            .mapToObj(sentences::get)
            .toList());
  }

  private void agreement() {
    float[][] embeddings = server.embed(batch, mixed());
    requireSame(-1, new Encoder(model, plain), embeddings);
    List<Lease> leases = leaseAll();
    for (int number = 0; number < ADAPTERS; number++) {
      requireSame(number, single(leases.get(number)), embeddings);
    }
    leases.forEach(Lease::close);
    System.out.printf(
        "%nOne batch of %d sentences, %d tokens, %d adapters and none:%n"
            + "  every embedding equal to the bit to a run of its adapter alone%n",
        SENTENCES, batch.tokens(), ADAPTERS);
  }

  private void requireSame(int adapter, Encoder alone, float[][] embeddings) {
    float[][] expected = alone.forward(sentencesOf(adapter), workspace);
    int next = 0;
    for (int sentence = 0; sentence < SENTENCES; sentence++) {
      if (adapterOf(sentence) == adapter) {
        require(
            Arrays.equals(expected[next++], embeddings[sentence]),
            "adapter %d, sentence %d: expected the bits of a run alone, came others"
                .formatted(adapter, sentence));
      }
    }
  }

  /** Swaps an adapter on another thread while batches run: each has the old or the new, whole. */
  private void swap() throws IOException {
    float[][] before = server.embed(batch, mixed());
    var running = new CountDownLatch(BATCHES_BEFORE);
    CompletableFuture<Void> swapped =
        CompletableFuture.runAsync(() -> {
          try {
            running.await();
            folders.write(SWAPPED, 2);
            registry.load(
                AdapterFolders.name(SWAPPED), AdapterLoader.peft(folders.folder(SWAPPED)));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
    List<float[][]> results = new ArrayList<>();
    for (int after = 0; after < BATCHES_AFTER; ) {
      boolean done = swapped.isDone();
      running.countDown();
      results.add(server.embed(batch, mixed()));
      after += done ? 1 : 0;
    }
    swapped.join();
    float[][] now = server.embed(batch, mixed());
    int old = requireOldThenNew(before, now, results);
    try (Lease lease = lease(SWAPPED)) {
      requireSame(SWAPPED, single(lease), now);
    }
    require(
        registry.counters().open() == ADAPTERS,
        "registry: expected the old version freed, came " + registry.counters());
    System.out.printf(
        "%nAdapter %s swapped while %d batches ran: %d had the old version, %d the new one,%n"
            + "  none had part of each, and no other adapter's result changed%n",
        AdapterFolders.name(SWAPPED), results.size(), old, results.size() - old);
  }

  private static int requireOldThenNew(float[][] before, float[][] now, List<float[][]> results) {
    int old = 0;
    for (float[][] result : results) {
      boolean isNew = Arrays.deepEquals(now, result);
      require(
          isNew || (Arrays.deepEquals(before, result) && old == results.indexOf(result)),
          "batch %d: expected the old version's bits, then the new one's, came neither"
              .formatted(results.indexOf(result)));
      old += isNew ? 0 : 1;
    }
    require(
        old >= 1 && old <= results.size() - BATCHES_AFTER,
        "swap: expected batches with either version, came %d of %d with the old one"
            .formatted(old, results.size()));
    for (int sentence = 0; sentence < SENTENCES; sentence++) {
      boolean same = Arrays.equals(before[sentence], now[sentence]);
      require(
          same == (adapterOf(sentence) != SWAPPED),
          "sentence " + sentence + ": expected a change from the swapped adapter alone");
    }
    return old;
  }

  private void speed() {
    List<Lease> leases = leaseAll();
    List<Encoder> singles = leases.stream().map(this::single).toList();
    List<TokenBatch> own = IntStream.range(0, ADAPTERS).mapToObj(this::sentencesOf).toList();
    int ownTokens = own.stream().mapToInt(TokenBatch::tokens).sum();
    double[] mixed = new double[ROUNDS];
    double[] one = new double[ROUNDS];
    double[] alone = new double[ROUNDS];
    for (int round = -WARM_UP; round < ROUNDS; round++) {
      int number = Math.floorMod(round, ADAPTERS);
      double first = speed(batch.tokens(), () -> server.embed(batch, mixed()));
      double second = speed(batch.tokens(), () -> singles.get(number).forward(batch, workspace));
      double third =
          speed(
              ownTokens,
              () -> {
                for (int i = 0; i < ADAPTERS; i++) {
                  singles.get(i).forward(own.get(i), workspace);
                }
              });
      if (round >= 0) {
        mixed[round] = first;
        one[round] = second;
        alone[round] = third;
      }
    }
    leases.forEach(Lease::close);
    System.out.printf(
        "%nSpeed, taking turns, medians of %d rounds%n"
            + "  mixed batches, %d adapters        %,8.0f tokens/s%n"
            + "  batches of one adapter            %,8.0f tokens/s, mixed/one   %.2f%n"
            + "  each adapter on its own           %,8.0f tokens/s, mixed/alone %.2f%n",
        ROUNDS,
        ADAPTERS,
        median(mixed),
        median(one),
        median(mixed) / median(one),
        median(alone),
        median(mixed) / median(alone));
  }

  private static double speed(int tokens, Runnable work) {
    long start = System.nanoTime();
    work.run();
    return tokens * 1e9 / (System.nanoTime() - start);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
