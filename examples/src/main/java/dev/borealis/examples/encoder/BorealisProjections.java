package dev.borealis.examples.encoder;

import dev.borealis.adapter.Linear;
import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.examples.minilm.Site;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The linear layers of a model, packed once for a backend; any number of encoders share them, with
 * adapters or without.
 */
public final class BorealisProjections implements AutoCloseable {
  private final List<Map<Site, Linear>> layers = new ArrayList<>();

  /**
   * Packs the linear layers.
   *
   * @param model its weights; not read again
   * @param backend computes them
   */
  public BorealisProjections(MiniLmWeights model, Backend backend) {
    for (var layer : model.layers()) {
      Map<Site, Linear> sites = new EnumMap<>(Site.class);
      layer.projections().forEach((site, weights) -> sites.put(site, prepare(weights, backend)));
      layers.add(sites);
    }
  }

  private static Linear prepare(LinearWeights weights, Backend backend) {
    return backend.prepareLinear(
        Tensor.of(weights.weight(), DType.F32, weights.out(), weights.in()),
        Tensor.of(weights.bias(), DType.F32, weights.out()));
  }

  /**
   * The layers as they are.
   *
   * @return for an encoder
   */
  public Projection.Factory plain() {
    return (layer, site, weights) -> new BorealisProjection(linear(layer, site), null);
  }

  /**
   * The layers with adapters.
   *
   * @param adapters made for the same model
   * @return for an encoder, which then runs one call at a time
   */
  public Projection.Factory with(AdapterSet adapters) {
    return (layer, site, weights) ->
        new BorealisProjection(linear(layer, site), adapters.at(layer, site));
  }

  private Linear linear(int layer, Site site) {
    Linear linear = layers.get(layer).get(site);
    if (linear == null) {
      throw new IllegalArgumentException("no linear layer at " + site + " of layer " + layer);
    }
    return linear;
  }

  @Override
  public void close() {
    for (var sites : layers) {
      sites.values().forEach(Linear::close);
    }
  }
}
