package dev.borealis.examples.minilm;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The model's files as they lie in its Maven artifact, on the class path. */
public final class MiniLmArtifact {
  private static final String MODEL = "/all-minilm-l6-v2.onnx";
  private static final String TOKENIZER = "/all-minilm-l6-v2-tokenizer.json";

  private MiniLmArtifact() {}

  /**
   * Reads the whole ONNX file.
   *
   * @return its 90 MB
   * @throws UncheckedIOException if it can't be read
   * @throws IllegalStateException if the artifact isn't on the class path
   */
  public static byte[] onnxModel() {
    try (InputStream in = open(MODEL)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + MODEL, e);
    }
  }

  /**
   * Opens the tokenizer's description.
   *
   * @return a stream of JSON, for the caller to close
   * @throws IllegalStateException if the artifact isn't on the class path
   */
  public static InputStream tokenizerJson() {
    return open(TOKENIZER);
  }

  private static InputStream open(String resource) {
    InputStream in = MiniLmArtifact.class.getResourceAsStream(resource);
    if (in == null) {
      throw new IllegalStateException(
          "no " + resource + " on the class path: is the all-minilm-l6-v2 artifact missing?");
    }
    return in;
  }
}
