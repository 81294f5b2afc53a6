package dev.borealis.examples.serving;

import dev.borealis.adapter.Adapter;
import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.examples.minilm.TokenBatch;
import dev.borealis.serving.AdapterBatch;
import dev.borealis.serving.AdapterRegistry;
import dev.borealis.serving.Lease;
import java.util.ArrayList;
import java.util.List;

/**
 * The encoder for batches whose sentences each name an adapter of a registry. A batch leases what
 * it needs for as long as it runs. One batch at a time.
 */
final class Server {
  private final AdapterRegistry registry;
  private final List<String> names;
  private final Encoder encoder;
  private final EncoderWorkspace workspace;
  private final AdapterBatch batch;
  // The leases of the batch under way, by the adapters' numbers.
  private List<Lease> leases = List.of();

  Server(
      MiniLmWeights model,
      Projection.Factory plain,
      Backend backend,
      AdapterRegistry registry,
      List<String> names,
      EncoderWorkspace workspace,
      int maxTokens) {
    this.registry = registry;
    this.names = names;
    this.workspace = workspace;
    this.batch = new AdapterBatch(backend, maxTokens, names.size());
    this.encoder =
        new Encoder(
            model,
            (layer, site, weights) -> {
              Projection base = plain.create(layer, site, weights);
              String module = AdapterFolders.module(layer, site);
              return new ForwardProjection(
                  base, weights, (x, y) -> batch.forward(x, y, adapters(module)));
            });
  }

  /**
   * Embeds sentences.
   *
   * @param sentences the batch
   * @param adapterOfSentence the number of each sentence's adapter, or −1 for none
   */
  float[][] embed(TokenBatch sentences, int[] adapterOfSentence) {
    int count = sentences.sentences();
    int[] starts = new int[count + 1];
    for (int sentence = 0; sentence < count; sentence++) {
      starts[sentence + 1] = starts[sentence] + sentences.length(sentence);
    }
    batch.assignSegments(names.size(), starts, adapterOfSentence, count);
    List<Lease> held = new ArrayList<>();
    try {
      for (String name : names) {
        Lease lease = registry.acquire(name);
        if (lease == null) {
          throw new IllegalArgumentException("no adapter " + name);
        }
        held.add(lease);
      }
      leases = held;
      return encoder.forward(sentences, workspace);
    } finally {
      leases = List.of();
      held.forEach(Lease::close);
    }
  }

  private List<Adapter> adapters(String module) {
    List<Adapter> adapters = new ArrayList<>();
    for (Lease lease : leases) {
      adapters.add(lease.adapter(module));
    }
    return adapters;
  }
}
