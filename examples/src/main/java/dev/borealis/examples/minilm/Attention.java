package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/**
 * Scaled dot-product attention within each sentence, head by head: {@code C = softmax(Q Kᵀ/√d) V}.
 *
 * <p>All matrices are {@code [tokens, hidden]}; head h owns the columns {@code [h·d, (h+1)·d)}.
 */
final class Attention {
  private final int hidden;
  private final int heads;
  private final int size;
  private final float scale;

  Attention(MiniLmConfig config) {
    this.hidden = config.hidden();
    this.heads = config.heads();
    this.size = config.headSize();
    this.scale = (float) (1 / Math.sqrt(size));
  }

  /** Writes {@code context} from query, key and value. */
  void forward(
      MemorySegment query,
      MemorySegment key,
      MemorySegment value,
      MemorySegment context,
      TokenBatch batch) {
    Parallel.ranges(
        batch.sentences(),
        (from, to) -> {
          var head = new Head(longest(batch, from, to));
          for (int s = from; s < to; s++) {
            int start = batch.start(s);
            int length = batch.length(s);
            for (int h = 0; h < heads; h++) {
              head.load(query, key, value, start, length, h);
              head.attend(length);
              Rows.product(head.p, head.v, head.c, length, length, size);
              store(head.c, context, start, length, h);
            }
          }
        });
  }

  /**
   * Writes the gradients of query, key and value from that of the context. The probabilities are
   * computed again rather than kept.
   */
  void backward(
      MemorySegment query,
      MemorySegment key,
      MemorySegment value,
      MemorySegment dContext,
      MemorySegment dQuery,
      MemorySegment dKey,
      MemorySegment dValue,
      TokenBatch batch) {
    Parallel.ranges(
        batch.sentences(),
        (from, to) -> {
          int longest = longest(batch, from, to);
          var head = new Head(longest);
          float[][] dC = new float[longest][size];
          float[][] dP = new float[longest][longest];
          float[][] transposed = new float[longest][longest];
          float[][] result = new float[longest][size];
          for (int s = from; s < to; s++) {
            int start = batch.start(s);
            int length = batch.length(s);
            for (int h = 0; h < heads; h++) {
              head.load(query, key, value, start, length, h);
              head.attend(length);
              load(dContext, dC, start, length, h);

              Rows.transpose(head.p, transposed, length, length);
              Rows.product(transposed, dC, result, length, length, size);
              store(result, dValue, start, length, h);

              Rows.transpose(head.v, head.vT, length, size);
              Rows.product(dC, head.vT, dP, length, size, length);
              softmaxBackward(head.p, dP, length);

              Rows.product(dP, head.k, result, length, length, size);
              store(result, dQuery, start, length, h);
              Rows.transpose(dP, transposed, length, length);
              Rows.product(transposed, head.q, result, length, length, size);
              store(result, dKey, start, length, h);
            }
          }
        });
  }

  /** Turns dP into the gradient of the unscaled scores: {@code P (dP − Σ P dP) scale}. */
  private void softmaxBackward(float[][] p, float[][] dP, int length) {
    for (int i = 0; i < length; i++) {
      float mean = Rows.dot(p[i], dP[i], length);
      for (int j = 0; j < length; j++) {
        dP[i][j] = p[i][j] * (dP[i][j] - mean) * scale;
      }
    }
  }

  private static int longest(TokenBatch batch, int from, int to) {
    int longest = 0;
    for (int s = from; s < to; s++) {
      longest = Math.max(longest, batch.length(s));
    }
    return longest;
  }

  private void load(MemorySegment matrix, float[][] rows, int start, int length, int head) {
    for (int t = 0; t < length; t++) {
      Segments.read(matrix, hidden, start + t, head * size, rows[t], size);
    }
  }

  private void store(float[][] rows, MemorySegment matrix, int start, int length, int head) {
    for (int t = 0; t < length; t++) {
      Segments.write(rows[t], size, matrix, hidden, start + t, head * size);
    }
  }

  /** One head of one sentence: its columns of Q, K and V, and the probabilities P. */
  private final class Head {
    final float[][] q;
    final float[][] k;
    final float[][] kT;
    final float[][] v;
    final float[][] vT;
    final float[][] p;
    final float[][] c;

    Head(int longest) {
      q = new float[longest][size];
      k = new float[longest][size];
      kT = new float[size][longest];
      v = new float[longest][size];
      vT = new float[size][longest];
      p = new float[longest][longest];
      c = new float[longest][size];
    }

    void load(
        MemorySegment query,
        MemorySegment key,
        MemorySegment value,
        int start,
        int length,
        int head) {
      Attention.this.load(query, q, start, length, head);
      Attention.this.load(key, k, start, length, head);
      Attention.this.load(value, v, start, length, head);
    }

    void attend(int length) {
      Rows.transpose(k, kT, length, size);
      Rows.product(q, kT, p, length, size, length);
      for (int i = 0; i < length; i++) {
        softmax(p[i], length);
      }
    }

    private void softmax(float[] row, int length) {
      float max = row[0];
      for (int j = 1; j < length; j++) {
        max = Math.max(max, row[j]);
      }
      for (int j = 0; j < length; j++) {
        row[j] = (float) Elementary.exp((row[j] - max) * scale);
      }
      Rows.scale(row, 1 / Rows.sum(row, length), length);
    }
  }
}
