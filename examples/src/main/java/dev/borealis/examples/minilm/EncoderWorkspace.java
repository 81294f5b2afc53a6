package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.List;

/**
 * All activations of an encoder, allocated once and reused by every call. One call at a time.
 *
 * <p>For inference every layer shares one set, and the hidden states alternate between two buffers;
 * for training each layer keeps its own until the backward pass.
 */
public final class EncoderWorkspace {

  /**
   * What one layer keeps between forward and backward, {@code [tokens, hidden]} unless said
   * otherwise.
   *
   * @param query attention's query
   * @param key attention's key
   * @param value attention's value
   * @param context what attention gathered
   * @param attentionSum input of the LayerNorm after attention
   * @param attentionOut its output
   * @param intermediate the up-projection {@code [tokens, intermediate]}
   * @param activated GELU of it {@code [tokens, intermediate]}
   * @param outputSum input of the last LayerNorm
   */
  record Layer(
      MemorySegment query,
      MemorySegment key,
      MemorySegment value,
      MemorySegment context,
      MemorySegment attentionSum,
      MemorySegment attentionOut,
      MemorySegment intermediate,
      MemorySegment activated,
      MemorySegment outputSum) {}

  /** Gradients on their way down, shared by all layers; shapes as in {@link Layer}. */
  record Gradients(
      MemorySegment hidden,
      MemorySegment context,
      MemorySegment query,
      MemorySegment key,
      MemorySegment value,
      MemorySegment intermediate) {}

  private final MiniLmConfig config;
  private final int maxTokens;
  private final boolean training;
  private final List<MemorySegment> hidden = new ArrayList<>();
  private final List<Layer> layers = new ArrayList<>();
  private final List<Gradients> gradients = new ArrayList<>();

  /**
   * Allocates the activations.
   *
   * @param config sizes of the encoder
   * @param maxTokens most tokens of a batch
   * @param training whether to keep what the backward pass needs
   * @param allocator gives memory that any thread may use, such as a shared arena's
   */
  public EncoderWorkspace(
      MiniLmConfig config, int maxTokens, boolean training, SegmentAllocator allocator) {
    this.config = config;
    this.maxTokens = maxTokens;
    this.training = training;
    int hiddenBuffers = training ? config.layers() + 1 : 2;
    for (int i = 0; i < hiddenBuffers; i++) {
      hidden.add(matrix(config.hidden(), allocator));
    }
    int layerBuffers = training ? config.layers() : 1;
    for (int i = 0; i < layerBuffers; i++) {
      layers.add(layer(allocator));
    }
    if (training) {
      gradients.add(gradients(allocator));
    }
  }

  /** The input of layer {@code index}; the output of the one before. */
  MemorySegment hidden(int index) {
    return hidden.get(index % hidden.size());
  }

  Layer layer(int index) {
    return layers.get(index % layers.size());
  }

  Gradients gradients() {
    if (!training) {
      throw new IllegalStateException("workspace: expected one for training, came one without");
    }
    return gradients.getFirst();
  }

  void requireFit(TokenBatch batch) {
    if (batch.tokens() > maxTokens) {
      throw new IllegalArgumentException(
          "batch: expected at most " + maxTokens + " tokens, came " + batch.tokens());
    }
    if (batch.longest() > config.positions()) {
      throw new IllegalArgumentException(
          "batch: expected sentences of at most %d tokens, came %d"
              .formatted(config.positions(), batch.longest()));
    }
  }

  private MemorySegment matrix(int width, SegmentAllocator allocator) {
    return Segments.allocate(allocator, maxTokens, width);
  }

  private Layer layer(SegmentAllocator allocator) {
    int width = config.hidden();
    return new Layer(
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(config.intermediate(), allocator),
        matrix(config.intermediate(), allocator),
        matrix(width, allocator));
  }

  private Gradients gradients(SegmentAllocator allocator) {
    int width = config.hidden();
    return new Gradients(
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(width, allocator),
        matrix(config.intermediate(), allocator));
  }
}
