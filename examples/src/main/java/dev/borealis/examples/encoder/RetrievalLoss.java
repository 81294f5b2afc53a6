package dev.borealis.examples.encoder;

import dev.borealis.examples.minilm.Gloss;
import dev.borealis.examples.minilm.SentenceTokenizer;
import dev.borealis.examples.minilm.TokenBatch;
import java.util.List;
import java.util.stream.Stream;

/**
 * How well words find their definitions within a batch: the mean cross entropy of {@code
 * softmax(τ·wᵢ·dⱼ)} over all definitions j, where j = i is right.
 *
 * <p>A batch of n pairs has n words, then their n definitions; embeddings have length 1.
 *
 * @param value the loss; ln n for an encoder that knows nothing
 * @param dEmbeddings its gradient by every embedding {@code [2n, hidden]}
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
public record RetrievalLoss(double value, float[][] dEmbeddings) {
  /** τ: the inverse temperature with which all-MiniLM-L6-v2 was trained. */
  private static final double SCALE = 20;

  /**
   * Tokenises pairs of a word and its definition.
   *
   * @param pairs the glosses, no word twice
   * @param tokenizer cuts them
   * @return all words, then all definitions
   */
  public static TokenBatch batch(List<Gloss> pairs, SentenceTokenizer tokenizer) {
    return tokenizer.encode(
        Stream.concat(pairs.stream().map(Gloss::lemma), pairs.stream().map(Gloss::definition))
            .toList());
  }

  /**
   * Computes the loss and its gradient.
   *
   * @param embeddings of a batch {@code [2n, hidden]}
   * @return both
   */
  public static RetrievalLoss of(float[][] embeddings) {
    int n = embeddings.length / 2;
    float[][] gradient = new float[2 * n][embeddings[0].length];
    double loss = 0;
    for (int word = 0; word < n; word++) {
      double[] p = new double[n];
      for (int j = 0; j < n; j++) {
        p[j] = SCALE * Vectors.dot(embeddings[word], embeddings[n + j]);
      }
      loss -= logSoftmax(p, word) / n;
      for (int j = 0; j < n; j++) {
        // The loss's derivative by the cosine of this pair.
        double d = (p[j] - (j == word ? 1 : 0)) * SCALE / n;
        Vectors.add(gradient[word], d, embeddings[n + j]);
        Vectors.add(gradient[n + j], d, embeddings[word]);
      }
    }
    return new RetrievalLoss(loss, gradient);
  }

  /** Turns logits into probabilities; returns the logarithm of one of them. */
  private static double logSoftmax(double[] logits, int index) {
    double max = Double.NEGATIVE_INFINITY;
    for (double logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (double logit : logits) {
      sum += Math.exp(logit - max);
    }
    double logProbability = logits[index] - max - Math.log(sum);
    for (int j = 0; j < logits.length; j++) {
      logits[j] = Math.exp(logits[j] - max) / sum;
    }
    return logProbability;
  }
}
