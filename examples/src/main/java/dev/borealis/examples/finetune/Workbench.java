package dev.borealis.examples.finetune;

import dev.borealis.backend.Backend;
import dev.borealis.examples.encoder.BorealisProjections;
import dev.borealis.examples.minilm.GlossReader;
import dev.borealis.examples.minilm.MiniLmArtifact;
import dev.borealis.examples.minilm.MiniLmConfig;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.OnnxWeights;
import dev.borealis.examples.minilm.SentenceTokenizer;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * What all runs share: the frozen model and the data.
 *
 * @param weights of the model
 * @param projections its linear layers on the backend
 * @param backend computes them and the adapters
 * @param train the training set
 * @param test the test set
 * @param arena shared; owner of the model's memory
 */
record Workbench(
    MiniLmWeights weights,
    BorealisProjections projections,
    Backend backend,
    List<Example> train,
    List<Example> test,
    Arena arena)
    implements AutoCloseable {
  /** Longer glosses are cut to this many tokens. */
  static final int MAX_LENGTH = 32;

  static final int BATCH = 32;

  /** Most tokens of a batch. */
  static final int MAX_TOKENS = BATCH * MAX_LENGTH;

  /** Loads everything; a few seconds. */
  static Workbench open() {
    Arena arena = Arena.ofShared();
    Backend backend = Backend.auto();
    MiniLmWeights weights =
        MiniLmWeights.of(
            MiniLmConfig.ALL_MINILM_L6_V2, OnnxWeights.parse(MiniLmArtifact.onnxModel()), arena);
    GlossSplit split = GlossSplit.of(GlossReader.nouns());
    try (var tokenizer = SentenceTokenizer.open(MAX_LENGTH)) {
      return new Workbench(
          weights,
          new BorealisProjections(weights, backend),
          backend,
          GlossSplit.examples(split.train(), tokenizer),
          GlossSplit.examples(split.test(), tokenizer),
          arena);
    }
  }

  @Override
  public void close() {
    projections.close();
    arena.close();
  }
}
