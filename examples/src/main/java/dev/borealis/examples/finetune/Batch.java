package dev.borealis.examples.finetune;

import dev.borealis.examples.minilm.TokenBatch;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Examples that go through the encoder together.
 *
 * @param indices of the examples in their set
 * @param tokens of all of them
 * @param labels one each
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
record Batch(int[] indices, TokenBatch tokens, int[] labels) {
  private static final int POOL = 512;

  private static Batch of(List<Example> examples, List<Integer> indices) {
    return new Batch(
        indices.stream().mapToInt(i -> i).toArray(),
        TokenBatch.of(indices.stream().map(i -> examples.get(i).tokens()).toList()),
        indices.stream().mapToInt(i -> examples.get(i).label()).toArray());
  }

  /**
   * All examples in random order, cut into pools of 512; within a pool sorted by length and cut
   * into batches, whose order is random again. Depends on its arguments alone, so that a resumed
   * training sees what it would have seen.
   */
  static List<Batch> epoch(List<Example> examples, int size, long seed, int epoch) {
    RandomGenerator random =
        RandomGeneratorFactory.of("L64X128MixRandom").create(seed * 1_000_003 + epoch);
    List<Integer> order = indices(examples);
    Collections.shuffle(order, java.util.Random.from(random));
    List<Batch> batches = new ArrayList<>();
    for (int from = 0; from < order.size(); from += POOL) {
      List<Integer> pool = order.subList(from, Math.min(from + POOL, order.size()));
      List<Batch> cut = sorted(examples, pool, size);
      Collections.shuffle(cut, java.util.Random.from(random));
      batches.addAll(cut);
    }
    return batches;
  }

  /** All examples in batches of about equal length, for evaluation. */
  static List<Batch> byLength(List<Example> examples, int size) {
    return sorted(examples, indices(examples), size);
  }

  private static List<Integer> indices(List<Example> examples) {
    List<Integer> indices = new ArrayList<>();
    for (int i = 0; i < examples.size(); i++) {
      indices.add(i);
    }
    return indices;
  }

  private static List<Batch> sorted(List<Example> examples, List<Integer> indices, int size) {
    List<Integer> byLength =
        indices.stream()
            .sorted(Comparator.comparingInt(i -> examples.get(i).tokens().length))
            .toList();
    List<Batch> batches = new ArrayList<>();
    for (int from = 0; from < byLength.size(); from += size) {
      batches.add(of(examples, byLength.subList(from, Math.min(from + size, byLength.size()))));
    }
    return batches;
  }
}
