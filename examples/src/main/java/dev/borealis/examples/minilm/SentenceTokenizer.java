package dev.borealis.examples.minilm;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Cuts sentences into word pieces, {@code [CLS] … [SEP]}, without padding: every token it returns
 * is one to attend to. Holds native memory; close it.
 */
public final class SentenceTokenizer implements AutoCloseable {
  private final HuggingFaceTokenizer tokenizer;

  private SentenceTokenizer(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * Opens the model's tokenizer.
   *
   * @param maxLength longer sentences are cut to this many tokens
   * @return the tokenizer
   * @throws UncheckedIOException if its description can't be read
   */
  public static SentenceTokenizer open(int maxLength) {
    // Otherwise DJL sends telemetry when a tokenizer is made, and may fetch a CUDA build of its
    // native library instead of the one in its jar.
    System.setProperty("ai.djl.offline", "true");
    Map<String, String> options =
        Map.of("padding", "false", "truncation", "true", "maxLength", Integer.toString(maxLength));
    try (InputStream json = MiniLmArtifact.tokenizerJson()) {
      return new SentenceTokenizer(HuggingFaceTokenizer.newInstance(json, options));
    } catch (IOException e) {
      throw new UncheckedIOException("reading the tokenizer", e);
    }
  }

  /**
   * Tokenises one sentence.
   *
   * @param sentence any text
   * @return token ids, from {@code [CLS]} to {@code [SEP]}
   */
  public int[] encode(String sentence) {
    return Arrays.stream(tokenizer.encode(sentence).getIds()).mapToInt(Math::toIntExact).toArray();
  }

  /**
   * Tokenises sentences into one batch.
   *
   * @param sentences at least one
   * @return their tokens
   */
  public TokenBatch encode(List<String> sentences) {
    return TokenBatch.of(sentences.stream().map(this::encode).toList());
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
