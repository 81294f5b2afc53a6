package dev.borealis.examples.serving;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Workspace;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.serving.Lease;
import java.lang.foreign.Arena;

/** The encoder with one adapter, by the adapter's own calls: what mixed batches must agree with. */
final class SingleEncoder {
  private SingleEncoder() {}

  /**
   * Builds it.
   *
   * @param lease of the adapter, to stay open
   */
  static Encoder of(
      MiniLmWeights model, Projection.Factory plain, Lease lease, int maxTokens, Arena arena) {
    return new Encoder(
        model,
        (layer, site, weights) -> {
          Projection base = plain.create(layer, site, weights);
          Adapter adapter = lease.adapter(AdapterFolders.module(layer, site));
          if (adapter == null) {
            return base;
          }
          Workspace workspace = adapter.workspace(maxTokens, Mode.INFERENCE, arena);
          return new ForwardProjection(base, weights, (x, y) -> adapter.forward(x, y, workspace));
        });
  }
}
