package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** A sentence's embedding: the mean over its tokens, scaled to length 1. */
final class Pooling {
  private Pooling() {}

  /** The embeddings {@code [sentences, width]} of {@code hidden [tokens, width]}. */
  static float[][] forward(MemorySegment hidden, TokenBatch batch, int width) {
    float[][] embeddings = new float[batch.sentences()][];
    for (int s = 0; s < embeddings.length; s++) {
      float[] mean = mean(hidden, batch, s, width);
      Rows.scale(mean, inverseLength(mean), width);
      embeddings[s] = mean;
    }
    return embeddings;
  }

  /**
   * Writes {@code dHidden [tokens, width]} from {@code dEmbeddings [sentences, width]}. With e the
   * embedding and m the mean, {@code dm = (de − e (e·de)) / |m|}, and each token gets its share.
   */
  static void backward(
      MemorySegment hidden,
      float[][] dEmbeddings,
      MemorySegment dHidden,
      TokenBatch batch,
      int width) {
    float[] gradient = new float[width];
    for (int s = 0; s < batch.sentences(); s++) {
      float[] embedding = mean(hidden, batch, s, width);
      float inverseLength = inverseLength(embedding);
      Rows.scale(embedding, inverseLength, width);
      float along = Rows.dot(embedding, dEmbeddings[s], width);
      for (int c = 0; c < width; c++) {
        gradient[c] = (dEmbeddings[s][c] - embedding[c] * along) * inverseLength / batch.length(s);
      }
      for (int t = 0; t < batch.length(s); t++) {
        Segments.writeRow(gradient, dHidden, batch.start(s) + t);
      }
    }
  }

  private static float[] mean(MemorySegment hidden, TokenBatch batch, int sentence, int width) {
    float[] mean = new float[width];
    float[] row = new float[width];
    for (int t = 0; t < batch.length(sentence); t++) {
      Segments.readRow(hidden, batch.start(sentence) + t, row);
      for (int c = 0; c < width; c++) {
        mean[c] += row[c];
      }
    }
    Rows.scale(mean, 1f / batch.length(sentence), width);
    return mean;
  }

  private static float inverseLength(float[] x) {
    return (float) (1 / Math.sqrt(Rows.dot(x, x, x.length)));
  }
}
