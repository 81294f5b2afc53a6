package dev.borealis.examples.minilm;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Map;

/**
 * The same model on ONNX Runtime: the reference for values and for speed. Holds native memory;
 * close it. One thread at a time.
 */
public final class OnnxReference implements AutoCloseable {
  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final OrtSession session;

  private OnnxReference(byte[] model, int threads) throws OrtException {
    try (var options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(threads);
      options.setInterOpNumThreads(1);
      session = environment.createSession(model, options);
    }
  }

  /**
   * Loads a model.
   *
   * @param model bytes of the ONNX file
   * @param threads threads a run may use, the caller's included
   * @return the session
   * @throws IllegalStateException if ONNX Runtime refuses
   */
  public static OnnxReference load(byte[] model, int threads) {
    try {
      return new OnnxReference(model, threads);
    } catch (OrtException e) {
      throw new IllegalStateException("ONNX Runtime can't load the model", e);
    }
  }

  /**
   * Embeds sentences: mean over each sentence's tokens, scaled to length 1. Sentences are padded to
   * the longest, as ONNX Runtime needs one rectangle.
   *
   * @param batch the sentences
   * @return a vector for each sentence
   * @throws IllegalStateException if ONNX Runtime fails
   */
  public float[][] embed(TokenBatch batch) {
    int longest = batch.longest();
    long[] ids = new long[batch.sentences() * longest];
    long[] mask = new long[ids.length];
    for (int s = 0; s < batch.sentences(); s++) {
      for (int t = 0; t < batch.length(s); t++) {
        ids[s * longest + t] = batch.id(batch.start(s) + t);
        mask[s * longest + t] = 1;
      }
    }
    long[] shape = {batch.sentences(), longest};
    try (var idTensor = OnnxTensor.createTensor(environment, LongBuffer.wrap(ids), shape);
        var maskTensor = OnnxTensor.createTensor(environment, LongBuffer.wrap(mask), shape);
        var types =
            OnnxTensor.createTensor(environment, LongBuffer.wrap(new long[ids.length]), shape);
        var result =
            session.run(
                Map.of(
                    "input_ids",
                    idTensor,
                    "attention_mask",
                    maskTensor,
                    "token_type_ids",
                    types))) {
      var hidden = (OnnxTensor) result.get(0);
      int width = Math.toIntExact(hidden.getInfo().getShape()[2]);
      return pool(hidden.getFloatBuffer(), batch, longest, width);
    } catch (OrtException e) {
      throw new IllegalStateException("ONNX Runtime failed", e);
    }
  }

  private static float[][] pool(FloatBuffer hidden, TokenBatch batch, int longest, int width) {
    float[][] embeddings = new float[batch.sentences()][width];
    for (int s = 0; s < batch.sentences(); s++) {
      double[] sum = new double[width];
      for (int t = 0; t < batch.length(s); t++) {
        for (int c = 0; c < width; c++) {
          sum[c] += hidden.get((s * longest + t) * width + c);
        }
      }
      double squares = 0;
      for (double value : sum) {
        squares += value * value;
      }
      double scale = 1 / Math.sqrt(squares);
      for (int c = 0; c < width; c++) {
        embeddings[s][c] = (float) (sum[c] * scale);
      }
    }
    return embeddings;
  }

  @Override
  public void close() {
    try {
      session.close();
    } catch (OrtException e) {
      throw new IllegalStateException("ONNX Runtime can't close the session", e);
    }
  }
}
