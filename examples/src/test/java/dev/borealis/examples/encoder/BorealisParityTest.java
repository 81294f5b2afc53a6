package dev.borealis.examples.encoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.GlossReader;
import dev.borealis.examples.minilm.MiniLmArtifact;
import dev.borealis.examples.minilm.MiniLmConfig;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.OnnxReference;
import dev.borealis.examples.minilm.OnnxWeights;
import dev.borealis.examples.minilm.SentenceTokenizer;
import dev.borealis.examples.minilm.TokenBatch;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The real encoder with all linear layers on Borealis, against ONNX Runtime on the same file. */
class BorealisParityTest {
  private static final MiniLmConfig CONFIG = MiniLmConfig.ALL_MINILM_L6_V2;
  private static final int SENTENCES = 24;

  private static Arena arena;
  private static MiniLmWeights weights;
  private static TokenBatch batch;
  private static float[][] expected;

  @BeforeAll
  static void load() {
    arena = Arena.ofShared();
    byte[] model = MiniLmArtifact.onnxModel();
    weights = MiniLmWeights.of(CONFIG, OnnxWeights.parse(model), arena);
    // Short ones, because the scalar backend computes in double and slowly.
    List<String> sentences =
        GlossReader.nouns().stream()
            .map(Gloss::definition)
            .filter(definition -> definition.length() < 40)
            .toList();
    int step = sentences.size() / SENTENCES;
    try (var tokenizer = SentenceTokenizer.open(64);
        var reference = OnnxReference.load(model, 2)) {
      batch =
          tokenizer.encode(
              IntStream.range(0, SENTENCES).mapToObj(i -> sentences.get(i * step)).toList());
      expected = reference.embed(batch);
    }
  }

  @AfterAll
  static void close() {
    arena.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"panama", "scalar"})
  void agreesWithOnnxRuntime(String backend) {
    float[][] actual;
    try (var projections = new BorealisProjections(weights, Backend.require(backend))) {
      var encoder = new Encoder(weights, projections.plain());
      actual = encoder.forward(batch, new EncoderWorkspace(CONFIG, batch.tokens(), false, arena));
    }
    assertEquals(SENTENCES, actual.length);
    for (int s = 0; s < SENTENCES; s++) {
      double cosine = Vectors.cosine(expected[s], actual[s]);
      assertTrue(cosine >= 0.99999, "sentence " + s + ": cosine " + cosine);
      assertArrayEquals(expected[s], actual[s], 2e-5f, "sentence " + s);
    }
  }
}
