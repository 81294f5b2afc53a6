package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** How a sentence's embedding comes from the vectors of its tokens. */
public enum Pooling {
  /** The mean, scaled to length 1, as the model was made to be used. */
  NORMALISED,
  /** The mean alone, whose length a classifier may use too. */
  MEAN;

  /** The embeddings {@code [sentences, width]} of {@code hidden [tokens, width]}. */
  float[][] forward(MemorySegment hidden, TokenBatch batch, int width) {
    float[][] embeddings = new float[batch.sentences()][];
    for (int s = 0; s < embeddings.length; s++) {
      float[] mean = mean(hidden, batch, s, width);
      if (this == NORMALISED) {
        Rows.scale(mean, inverseLength(mean), width);
      }
      embeddings[s] = mean;
    }
    return embeddings;
  }

  /**
   * Writes {@code dHidden [tokens, width]} from {@code dEmbeddings [sentences, width]}. With e the
   * normalised embedding and m the mean, {@code dm = (de − e (e·de)) / |m|}; each token gets its
   * share.
   */
  void backward(
      MemorySegment hidden,
      float[][] dEmbeddings,
      MemorySegment dHidden,
      TokenBatch batch,
      int width) {
    float[] gradient = new float[width];
    for (int s = 0; s < batch.sentences(); s++) {
      System.arraycopy(dEmbeddings[s], 0, gradient, 0, width);
      if (this == NORMALISED) {
        throughLength(mean(hidden, batch, s, width), gradient);
      }
      Rows.scale(gradient, 1f / batch.length(s), width);
      for (int t = 0; t < batch.length(s); t++) {
        Segments.writeRow(gradient, dHidden, batch.start(s) + t);
      }
    }
  }

  /** Replaces the gradient of the embedding by that of the mean. */
  private static void throughLength(float[] mean, float[] gradient) {
    float inverseLength = inverseLength(mean);
    Rows.scale(mean, inverseLength, mean.length);
    float along = Rows.dot(mean, gradient, mean.length);
    for (int c = 0; c < mean.length; c++) {
      gradient[c] = (gradient[c] - mean[c] * along) * inverseLength;
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
