package dev.borealis.examples.minilm;

import java.util.Map;

/**
 * The parameters of one encoder layer.
 *
 * @param projections the six linear layers
 * @param attentionNorm the LayerNorm after attention
 * @param outputNorm the LayerNorm after the feed-forward part
 */
public record LayerWeights(
    Map<Site, LinearWeights> projections,
    LayerNormWeights attentionNorm,
    LayerNormWeights outputNorm) {

  /**
   * One of the linear layers.
   *
   * @param site which
   * @return its parameters
   * @throws IllegalArgumentException if the layer has none there
   */
  public LinearWeights at(Site site) {
    LinearWeights weights = projections.get(site);
    if (weights == null) {
      throw new IllegalArgumentException("no linear layer at " + site);
    }
    return weights;
  }
}
