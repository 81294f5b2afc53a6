package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The encoder on the real parameters against ONNX Runtime on the same file. */
class EncoderParityTest {
  private static final MiniLmConfig CONFIG = MiniLmConfig.ALL_MINILM_L6_V2;
  private static final int SENTENCES = 40;
  private static final int MAX_TOKENS = 2_048;

  private static Arena arena;
  private static Encoder encoder;
  private static OnnxReference reference;
  private static TokenBatch batch;

  @BeforeAll
  static void load() {
    arena = Arena.ofShared();
    byte[] model = MiniLmArtifact.onnxModel();
    reference = OnnxReference.load(model, 2);
    encoder =
        new Encoder(
            MiniLmWeights.of(CONFIG, OnnxWeights.parse(model), arena),
            (layer, site, weights) -> new NaiveProjection(weights));
    List<Gloss> glosses = GlossReader.nouns();
    // Spread over the whole file, so that subjects and lengths differ.
    List<String> sentences =
        IntStream.range(0, SENTENCES)
            .mapToObj(i -> glosses.get(i * (glosses.size() / SENTENCES)).definition())
            .toList();
    try (var tokenizer = SentenceTokenizer.open(128)) {
      batch = tokenizer.encode(sentences);
    }
  }

  @AfterAll
  static void close() {
    reference.close();
    arena.close();
  }

  @Test
  void agreesWithOnnxRuntime() {
    float[][] expected = reference.embed(batch);
    float[][] actual = encoder.forward(batch, workspace(false));
    assertEquals(SENTENCES, actual.length);
    for (int s = 0; s < SENTENCES; s++) {
      double cosine = cosine(expected[s], actual[s]);
      assertTrue(cosine >= 0.99999, "sentence " + s + ": cosine " + cosine);
      assertArrayEquals(expected[s], actual[s], 2e-5f, "sentence " + s);
    }
  }

  @Test
  void trainingComputesTheSameAsInference() {
    float[][] inference = encoder.forward(batch, workspace(false));
    float[][] training = encoder.forward(batch, workspace(true));
    for (int s = 0; s < SENTENCES; s++) {
      assertArrayEquals(inference[s], training[s], "sentence " + s);
    }
  }

  @Test
  void aSentenceDoesNotDependOnItsNeighbours() {
    float[][] together = encoder.forward(batch, workspace(false));
    int[] last =
        IntStream.range(batch.start(SENTENCES - 1), batch.tokens()).map(batch::id).toArray();
    float[][] alone = encoder.forward(TokenBatch.of(List.of(last)), workspace(false));
    assertArrayEquals(together[SENTENCES - 1], alone[0]);
  }

  @Test
  void refusesABatchThatDoesNotFit() {
    var small = new EncoderWorkspace(CONFIG, 16, false, arena);
    var error = assertThrows(IllegalArgumentException.class, () -> encoder.forward(batch, small));
    assertEquals("batch: expected at most 16 tokens, came " + batch.tokens(), error.getMessage());
  }

  private static EncoderWorkspace workspace(boolean training) {
    return new EncoderWorkspace(CONFIG, MAX_TOKENS, training, arena);
  }

  private static double cosine(float[] a, float[] b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += (double) a[i] * b[i];
      aa += (double) a[i] * a[i];
      bb += (double) b[i] * b[i];
    }
    return ab / Math.sqrt(aa * bb);
  }
}
