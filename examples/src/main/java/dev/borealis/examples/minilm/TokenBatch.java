package dev.borealis.examples.minilm;

import java.util.List;

/** The tokens of several sentences, one after the other without padding. Immutable. */
public final class TokenBatch {
  private final int[] ids;
  private final int[] starts;

  private TokenBatch(int[] ids, int[] starts) {
    this.ids = ids;
    this.starts = starts;
  }

  /**
   * Joins sentences.
   *
   * @param sentences token ids of each sentence
   * @return the batch
   * @throws IllegalArgumentException if there is no sentence, or one without tokens
   */
  public static TokenBatch of(List<int[]> sentences) {
    if (sentences.isEmpty()) {
      throw new IllegalArgumentException("sentences: expected at least one, came none");
    }
    int[] starts = new int[sentences.size() + 1];
    for (int s = 0; s < sentences.size(); s++) {
      int length = sentences.get(s).length;
      if (length == 0) {
        throw new IllegalArgumentException("sentence " + s + ": expected tokens, came none");
      }
      starts[s + 1] = starts[s] + length;
    }
    int[] ids = new int[starts[sentences.size()]];
    for (int s = 0; s < sentences.size(); s++) {
      System.arraycopy(sentences.get(s), 0, ids, starts[s], sentences.get(s).length);
    }
    return new TokenBatch(ids, starts);
  }

  /**
   * Number of sentences.
   *
   * @return at least 1
   */
  public int sentences() {
    return starts.length - 1;
  }

  /**
   * Number of tokens of all sentences.
   *
   * @return the rows of a matrix of activations
   */
  public int tokens() {
    return ids.length;
  }

  /**
   * First row of a sentence.
   *
   * @param sentence its index
   * @return the row of its first token
   */
  public int start(int sentence) {
    return starts[sentence];
  }

  /**
   * Number of tokens of a sentence.
   *
   * @param sentence its index
   * @return at least 1
   */
  public int length(int sentence) {
    return starts[sentence + 1] - starts[sentence];
  }

  /**
   * Number of tokens of the longest sentence.
   *
   * @return at least 1
   */
  public int longest() {
    int longest = 0;
    for (int s = 0; s < sentences(); s++) {
      longest = Math.max(longest, length(s));
    }
    return longest;
  }

  /**
   * A token's id.
   *
   * @param row its row in the batch
   * @return the id in the vocabulary
   */
  public int id(int row) {
    return ids[row];
  }
}
