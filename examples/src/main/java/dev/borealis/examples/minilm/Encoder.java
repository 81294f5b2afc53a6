package dev.borealis.examples.minilm;

import java.util.ArrayList;
import java.util.List;

/** The sentence encoder. Safe to share between threads as far as its projections are. */
public final class Encoder {
  private final MiniLmConfig config;
  private final Pooling pooling;
  private final Embeddings embeddings;
  private final List<EncoderLayer> layers = new ArrayList<>();

  /**
   * Builds the encoder with embeddings of length 1.
   *
   * @param weights its parameters
   * @param projections makes its linear layers, six a layer
   */
  public Encoder(MiniLmWeights weights, Projection.Factory projections) {
    this(weights, projections, Pooling.NORMALISED);
  }

  /**
   * Builds the encoder.
   *
   * @param weights its parameters
   * @param projections makes its linear layers, six a layer
   * @param pooling makes embeddings
   */
  public Encoder(MiniLmWeights weights, Projection.Factory projections, Pooling pooling) {
    this.config = weights.config();
    this.pooling = pooling;
    this.embeddings = new Embeddings(weights);
    for (int i = 0; i < config.layers(); i++) {
      layers.add(new EncoderLayer(i, config, weights.layers().get(i), projections));
    }
  }

  /**
   * Embeds sentences.
   *
   * @param batch the sentences
   * @param workspace the activations, overwritten
   * @return a vector for each sentence, {@code [sentences, hidden]}
   * @throws IllegalArgumentException if the batch doesn't fit the workspace or the model
   */
  public float[][] forward(TokenBatch batch, EncoderWorkspace workspace) {
    workspace.requireFit(batch);
    embeddings.forward(batch, workspace.hidden(0));
    for (int i = 0; i < layers.size(); i++) {
      layers
          .get(i)
          .forward(workspace.hidden(i), workspace.hidden(i + 1), batch, workspace.layer(i));
    }
    return pooling.forward(workspace.hidden(layers.size()), batch, config.hidden());
  }

  /**
   * Runs gradients down to the first layer's projections, which gather those of their adapters.
   *
   * @param batch the sentences of the last forward with this workspace
   * @param dEmbeddings gradient of the embeddings {@code [sentences, hidden]}
   * @param workspace the activations of that forward, kept for training
   * @throws IllegalArgumentException if {@code dEmbeddings} hasn't the embeddings' shape
   * @throws IllegalStateException if the workspace isn't for training
   */
  public void backward(TokenBatch batch, float[][] dEmbeddings, EncoderWorkspace workspace) {
    EncoderWorkspace.Gradients d = workspace.gradients();
    workspace.requireFit(batch);
    requireShape(dEmbeddings, batch.sentences());
    pooling.backward(
        workspace.hidden(layers.size()), dEmbeddings, d.hidden(), batch, config.hidden());
    for (int i = layers.size() - 1; i >= 0; i--) {
      layers.get(i).backward(workspace.hidden(i), batch, workspace.layer(i), d);
    }
  }

  private void requireShape(float[][] dEmbeddings, int sentences) {
    if (dEmbeddings.length != sentences) {
      throw new IllegalArgumentException(
          "dEmbeddings: expected %d rows, came %d".formatted(sentences, dEmbeddings.length));
    }
    for (float[] row : dEmbeddings) {
      if (row.length != config.hidden()) {
        throw new IllegalArgumentException(
            "dEmbeddings: expected rows of %d, came %d".formatted(config.hidden(), row.length));
      }
    }
  }
}
