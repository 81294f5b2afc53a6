package dev.borealis.examples.encoder;

import static dev.borealis.examples.CheckFailedException.require;

import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.GlossReader;
import dev.borealis.examples.minilm.MiniLmArtifact;
import dev.borealis.examples.minilm.MiniLmConfig;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.OnnxReference;
import dev.borealis.examples.minilm.OnnxWeights;
import dev.borealis.examples.minilm.SentenceTokenizer;
import dev.borealis.examples.minilm.TokenBatch;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The whole encoder on Borealis: parity with ONNX Runtime, sentence similarities, adapters of four
 * methods, and speed.
 */
public final class EncoderDemo {
  private static final int SENTENCES = 128;
  private static final double LOWEST_COSINE = 0.99999;

  private static final List<String> READABLE =
      List.of(
          "A kitten is dozing on the windowsill.",
          "The cat sleeps by the window.",
          "Share prices fell sharply on Tuesday.",
          "The stock market dropped this week.",
          "Fresh loaves came out of the oven.",
          "She bakes her own bread.");

  private final Setup setup;
  private final Encoder encoder;
  private final List<TokenBatch> definitions;
  private final EncoderWorkspace workspace;

  private EncoderDemo(Setup setup) {
    this.setup = setup;
    this.encoder = new Encoder(setup.weights(), setup.projections().plain());
    this.definitions = setup.definitions(SENTENCES);
    this.workspace = setup.workspace(Setup.MAX_LENGTH * SENTENCES / definitions.size(), false);
  }

  /**
   * Runs all parts, printing to standard output.
   *
   * @throws dev.borealis.examples.CheckFailedException if a check fails
   */
  public static void run() {
    long start = System.nanoTime();
    int threads = Threads.limit();
    Backend backend = Backend.auto();
    System.out.printf("all-MiniLM-L6-v2 on Borealis, backend %s%n", backend);
    byte[] onnx = MiniLmArtifact.onnxModel();
    try (var arena = Arena.ofShared();
        var tokenizer = SentenceTokenizer.open(Setup.MAX_LENGTH);
        var reference = OnnxReference.load(onnx, threads)) {
      MiniLmWeights weights =
          MiniLmWeights.of(MiniLmConfig.ALL_MINILM_L6_V2, OnnxWeights.parse(onnx), arena);
      try (var projections = new BorealisProjections(weights, backend)) {
        var setup = new Setup(weights, projections, tokenizer, GlossReader.nouns(), backend, arena);
        var demo = new EncoderDemo(setup);
        demo.parity(reference);
        demo.similarities();
        new AdapterDemo(setup, demo.encoder, demo.definitions).run();
        demo.throughput(reference, threads);
      }
    }
    System.out.printf(
        "%nAll checks passed in %.0f s (%.0f s of processor time).%n",
        (System.nanoTime() - start) / 1e9, processorSeconds());
  }

  private void parity(OnnxReference reference) {
    List<float[]> ours = new ArrayList<>();
    List<float[]> theirs = new ArrayList<>();
    try (var progress = Progress.of("Parity", definitions.size())) {
      for (TokenBatch batch : definitions) {
        ours.addAll(List.of(encoder.forward(batch, workspace)));
        theirs.addAll(List.of(reference.embed(batch)));
        progress.step();
      }
    }
    double lowest = 1;
    double largest = 0;
    for (int s = 0; s < ours.size(); s++) {
      lowest = Math.min(lowest, Vectors.cosine(ours.get(s), theirs.get(s)));
      largest = Math.max(largest, Vectors.distance(ours.get(s), theirs.get(s)));
    }
    System.out.printf(
        "%nParity with ONNX Runtime on the same file, %d WordNet glosses, %d tokens%n"
            + "  lowest cosine %.8f (at least %.5f expected), largest difference %.1e%n",
        ours.size(), Setup.tokens(definitions), lowest, LOWEST_COSINE, largest);
    require(
        lowest >= LOWEST_COSINE,
        "parity: expected cosines of at least " + LOWEST_COSINE + ", came " + lowest);
  }

  private void similarities() {
    float[][] embeddings = encoder.forward(setup.tokenizer().encode(READABLE), workspace);
    System.out.printf("%nSentence similarities%n");
    for (int i = 0; i < embeddings.length; i++) {
      System.out.printf("  %d  %-40s", i + 1, READABLE.get(i));
      for (int j = 0; j <= i; j++) {
        System.out.printf("%6.2f", Vectors.cosine(embeddings[i], embeddings[j]));
      }
      System.out.println();
    }
  }

  private void throughput(OnnxReference reference, int threads) {
    Throughput speed;
    try (var progress = Progress.of("Speed", Throughput.STEPS)) {
      speed =
          Throughput.measure(
              definitions,
              batch -> encoder.forward(batch, workspace),
              batch -> reference.embed(batch),
              progress);
    }
    System.out.printf(
        "%nSpeed, batches of %d sentences, %d threads each, taking turns%n"
            + "  Borealis %,.0f tokens/s, ONNX Runtime %,.0f tokens/s (medians)%n"
            + "  median ratio %.2f (from %.2f to %.2f)%n",
        definitions.getFirst().sentences(),
        threads,
        speed.ours(),
        speed.theirs(),
        speed.ratio(),
        speed.lowest(),
        speed.highest());
  }

  private static double processorSeconds() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toMillis() / 1e3;
  }
}
