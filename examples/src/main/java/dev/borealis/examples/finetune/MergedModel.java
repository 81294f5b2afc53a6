package dev.borealis.examples.finetune;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.examples.encoder.AdapterSet;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.examples.minilm.LayerWeights;
import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Site;
import dev.borealis.merge.Merge;
import dev.borealis.merge.MergeDelta;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** The model's weights with every adapter merged into a copy of its layer. */
final class MergedModel {
  private static final long ALIGNMENT = 64;

  private MergedModel() {}

  /** Makes a merge of an adapter. */
  @FunctionalInterface
  interface Merger {
    /**
     * Merges one adapter.
     *
     * @param adapter where it is
     * @param weights its numbers
     * @return ΔW and Δb
     */
    MergeDelta merge(AttachedAdapter adapter, AdapterWeights weights);
  }

  /** Merges all adapters; the model stays as it is. */
  static MiniLmWeights of(MiniLmWeights model, AdapterSet adapters, Merger merger, Arena arena) {
    List<LayerWeights> layers = new ArrayList<>();
    for (int layer = 0; layer < model.layers().size(); layer++) {
      LayerWeights old = model.layers().get(layer);
      Map<Site, LinearWeights> projections = new EnumMap<>(old.projections());
      for (Site site : Site.values()) {
        AttachedAdapter attached = adapters.at(layer, site);
        if (attached != null) {
          MergeDelta delta = merger.merge(attached, attached.weights());
          projections.put(site, merged(old.at(site), delta, arena));
        }
      }
      layers.add(new LayerWeights(projections, old.attentionNorm(), old.outputNorm()));
    }
    return new MiniLmWeights(
        model.config(),
        model.words(),
        model.positions(),
        model.types(),
        model.embeddingNorm(),
        layers);
  }

  private static LinearWeights merged(LinearWeights old, MergeDelta delta, Arena arena) {
    MemorySegment weight = copy(old.weight(), arena);
    MemorySegment bias = copy(old.bias(), arena);
    Tensor w0 = Tensor.of(weight, DType.F32, old.out(), old.in());
    Tensor b0 = Tensor.of(bias, DType.F32, old.out());
    Merge.apply(delta, w0, delta.bias() == null ? null : b0, arena);
    return new LinearWeights(weight, bias, old.in(), old.out());
  }

  private static MemorySegment copy(MemorySegment segment, Arena arena) {
    return arena.allocate(segment.byteSize(), ALIGNMENT).copyFrom(segment);
  }
}
