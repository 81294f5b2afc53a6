package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/**
 * One layer: attention, then a feed-forward part, each followed by a skip connection and a
 * LayerNorm.
 */
final class EncoderLayer {
  private final MiniLmConfig config;
  private final Attention attention;
  private final Projection query;
  private final Projection key;
  private final Projection value;
  private final Projection output;
  private final Projection up;
  private final Projection down;
  private final LayerNorm attentionNorm;
  private final LayerNorm outputNorm;

  EncoderLayer(
      int index, MiniLmConfig config, LayerWeights weights, Projection.Factory projections) {
    this.config = config;
    this.attention = new Attention(config);
    this.query = projections.create(index, Site.QUERY, weights.at(Site.QUERY));
    this.key = projections.create(index, Site.KEY, weights.at(Site.KEY));
    this.value = projections.create(index, Site.VALUE, weights.at(Site.VALUE));
    this.output = projections.create(index, Site.OUTPUT, weights.at(Site.OUTPUT));
    this.up = projections.create(index, Site.UP, weights.at(Site.UP));
    this.down = projections.create(index, Site.DOWN, weights.at(Site.DOWN));
    this.attentionNorm = new LayerNorm(weights.attentionNorm(), config.layerNormEpsilon());
    this.outputNorm = new LayerNorm(weights.outputNorm(), config.layerNormEpsilon());
  }

  /** Writes {@code y} from {@code x}, both {@code [tokens, hidden]}. */
  void forward(MemorySegment x, MemorySegment y, TokenBatch batch, EncoderWorkspace.Layer a) {
    int rows = batch.tokens();
    query.forward(x, a.query(), rows);
    key.forward(x, a.key(), rows);
    value.forward(x, a.value(), rows);
    attention.forward(a.query(), a.key(), a.value(), a.context(), batch);
    output.forward(a.context(), a.attentionSum(), rows);
    Residual.add(x, a.attentionSum(), rows, config.hidden());
    attentionNorm.forward(a.attentionSum(), a.attentionOut(), rows);

    up.forward(a.attentionOut(), a.intermediate(), rows);
    Gelu.forward(a.intermediate(), a.activated(), rows, config.intermediate());
    down.forward(a.activated(), a.outputSum(), rows);
    Residual.add(a.attentionOut(), a.outputSum(), rows, config.hidden());
    outputNorm.forward(a.outputSum(), y, rows);
  }

  /**
   * Replaces the gradient of y in {@code d.hidden()} by that of x. A skip connection passes the
   * gradient on as it is, so each block below only adds its part to the same buffer.
   */
  void backward(
      MemorySegment x, TokenBatch batch, EncoderWorkspace.Layer a, EncoderWorkspace.Gradients d) {
    int rows = batch.tokens();
    outputNorm.backward(a.outputSum(), d.hidden(), rows);
    Segments.clear(d.intermediate(), rows, config.intermediate());
    down.backward(a.activated(), d.hidden(), d.intermediate(), rows);
    Gelu.backward(a.intermediate(), d.intermediate(), rows, config.intermediate());
    up.backward(a.attentionOut(), d.intermediate(), d.hidden(), rows);

    attentionNorm.backward(a.attentionSum(), d.hidden(), rows);
    Segments.clear(d.context(), rows, config.hidden());
    output.backward(a.context(), d.hidden(), d.context(), rows);
    attention.backward(
        a.query(), a.key(), a.value(), d.context(), d.query(), d.key(), d.value(), batch);
    query.backward(x, d.query(), d.hidden(), rows);
    key.backward(x, d.key(), d.hidden(), rows);
    value.backward(x, d.value(), d.hidden(), rows);
  }
}
