package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/** Word, position and segment embeddings, summed and normalised. Frozen: no backward. */
final class Embeddings {
  private final MiniLmWeights weights;
  private final LayerNorm norm;

  Embeddings(MiniLmWeights weights) {
    this.weights = weights;
    this.norm = new LayerNorm(weights.embeddingNorm(), weights.config().layerNormEpsilon());
  }

  /** Writes {@code hidden [tokens, hidden]}. */
  void forward(TokenBatch batch, MemorySegment hidden) {
    int width = weights.config().hidden();
    Parallel.ranges(
        batch.sentences(),
        (from, to) -> {
          float[] row = new float[width];
          for (int s = from; s < to; s++) {
            for (int t = 0; t < batch.length(s); t++) {
              int word = batch.id(batch.start(s) + t) * width;
              int position = t * width;
              for (int c = 0; c < width; c++) {
                row[c] =
                    weights.words()[word + c]
                        + weights.types()[c]
                        + weights.positions()[position + c];
              }
              Segments.writeRow(row, hidden, batch.start(s) + t);
            }
          }
        });
    norm.forward(hidden, hidden, batch.tokens());
  }
}
