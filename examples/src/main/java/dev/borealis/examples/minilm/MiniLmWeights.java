package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * All parameters of the encoder.
 *
 * @param config the sizes
 * @param words word-piece embeddings {@code [vocabulary, hidden]}
 * @param positions position embeddings {@code [positions, hidden]}
 * @param types segment embeddings {@code [2, hidden]}; a lone sentence is segment 0
 * @param embeddingNorm the LayerNorm after the embeddings
 * @param layers the encoder layers, first to last
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
public record MiniLmWeights(
    MiniLmConfig config,
    float[] words,
    float[] positions,
    float[] types,
    LayerNormWeights embeddingNorm,
    List<LayerWeights> layers) {

  /** Where the values of a named parameter come from. */
  @FunctionalInterface
  public interface Source {
    /**
     * Gives one parameter.
     *
     * @param name PyTorch's name of it
     * @param shape the shape the model needs
     * @return its values, row-major
     */
    float[] values(String name, int... shape);
  }

  /**
   * Takes the parameters from an ONNX file; linear layers are copied to native memory.
   *
   * @param config the sizes expected
   * @param onnx the file's parameters
   * @param allocator gives the native memory, 64-byte aligned
   * @return the parameters
   * @throws IllegalArgumentException naming the parameter that is missing or has another shape
   */
  public static MiniLmWeights of(
      MiniLmConfig config, OnnxWeights onnx, SegmentAllocator allocator) {
    return of(
        config,
        (name, shape) -> {
          if (!Arrays.equals(shape, onnx.shape(name))) {
            throw new IllegalArgumentException(
                "%s: expected shape %s, came %s"
                    .formatted(name, Arrays.toString(shape), Arrays.toString(onnx.shape(name))));
          }
          return onnx.values(name);
        },
        allocator);
  }

  /**
   * Takes the parameters from any source.
   *
   * @param config the sizes
   * @param source gives each parameter
   * @param allocator gives the native memory of the linear layers
   * @return the parameters
   */
  public static MiniLmWeights of(MiniLmConfig config, Source source, SegmentAllocator allocator) {
    List<LayerWeights> layers = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      layers.add(layer(config, "encoder.layer." + layer + ".", source, allocator));
    }
    int hidden = config.hidden();
    return new MiniLmWeights(
        config,
        source.values("embeddings.word_embeddings.weight", config.vocabulary(), hidden),
        source.values("embeddings.position_embeddings.weight", config.positions(), hidden),
        source.values("embeddings.token_type_embeddings.weight", 2, hidden),
        norm("embeddings.LayerNorm", hidden, source),
        List.copyOf(layers));
  }

  private static LayerWeights layer(
      MiniLmConfig config, String prefix, Source source, SegmentAllocator allocator) {
    Map<Site, LinearWeights> projections = new EnumMap<>(Site.class);
    for (Site site : Site.values()) {
      int in = site.in(config);
      int out = site.out(config);
      String name = prefix + site.path();
      MemorySegment weight = Segments.copyOf(source.values(name + ".weight", out, in), allocator);
      MemorySegment bias = Segments.copyOf(source.values(name + ".bias", out), allocator);
      projections.put(site, new LinearWeights(weight, bias, in, out));
    }
    return new LayerWeights(
        projections,
        norm(prefix + "attention.output.LayerNorm", config.hidden(), source),
        norm(prefix + "output.LayerNorm", config.hidden(), source));
  }

  private static LayerNormWeights norm(String name, int width, Source source) {
    return new LayerNormWeights(
        source.values(name + ".weight", width), source.values(name + ".bias", width));
  }
}
