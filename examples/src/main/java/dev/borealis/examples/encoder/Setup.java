package dev.borealis.examples.encoder;

import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.SentenceTokenizer;
import dev.borealis.examples.minilm.TokenBatch;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What the parts of the demonstration share.
 *
 * @param weights of the model
 * @param projections its linear layers on the backend
 * @param tokenizer of the model
 * @param glosses WordNet's nouns
 * @param backend computes the linear layers and the adapters
 * @param arena shared; owner of all memory
 */
record Setup(
    MiniLmWeights weights,
    BorealisProjections projections,
    SentenceTokenizer tokenizer,
    List<Gloss> glosses,
    Backend backend,
    Arena arena) {
  /** Longest sentence, in tokens. */
  static final int MAX_LENGTH = 64;

  private static final int BATCH = 32;

  /** Glosses spread over the whole of WordNet, so that subjects differ; no word twice. */
  List<Gloss> sample(int count) {
    List<Gloss> sample = new ArrayList<>();
    Set<String> words = new HashSet<>();
    // A prime stride visits every gloss once before it comes back to the first.
    for (long i = 0; sample.size() < count; i++) {
      Gloss gloss = glosses.get((int) (i * 10_007 % glosses.size()));
      if (words.add(gloss.lemma())) {
        sample.add(gloss);
      }
    }
    return sample;
  }

  /** Definitions in batches of about equal length, so that ONNX Runtime pads little. */
  List<TokenBatch> definitions(int count) {
    List<int[]> sentences =
        sample(count).stream()
            .map(gloss -> tokenizer.encode(gloss.definition()))
            .sorted(Comparator.comparingInt(ids -> ids.length))
            .toList();
    List<TokenBatch> batches = new ArrayList<>();
    for (int from = 0; from < count; from += BATCH) {
      batches.add(TokenBatch.of(sentences.subList(from, Math.min(from + BATCH, count))));
    }
    return batches;
  }

  EncoderWorkspace workspace(int maxTokens, boolean training) {
    return new EncoderWorkspace(weights.config(), maxTokens, training, arena);
  }

  static int tokens(List<TokenBatch> batches) {
    return batches.stream().mapToInt(TokenBatch::tokens).sum();
  }

  static int largest(List<TokenBatch> batches) {
    return batches.stream().mapToInt(TokenBatch::tokens).max().orElse(0);
  }

  /** The embeddings of all batches, one after the other. */
  static List<float[]> embed(
      Encoder encoder, List<TokenBatch> batches, EncoderWorkspace workspace) {
    List<float[]> embeddings = new ArrayList<>();
    for (TokenBatch batch : batches) {
      embeddings.addAll(List.of(encoder.forward(batch, workspace)));
    }
    return embeddings;
  }
}
