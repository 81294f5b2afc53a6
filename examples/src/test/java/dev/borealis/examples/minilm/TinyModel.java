package dev.borealis.examples.minilm;

import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Random;

/** A small encoder with random parameters. */
public final class TinyModel {
  public static final MiniLmConfig CONFIG = new MiniLmConfig(20, 12, 16, 2, 4, 24, 1e-12f);

  /** Sentences of different lengths, one of a single token. */
  public static final TokenBatch BATCH =
      TokenBatch.of(List.of(new int[] {3, 1, 4, 1, 5}, new int[] {9}, new int[] {2, 6, 5, 3}));

  private TinyModel() {}

  public static MiniLmWeights weights(SegmentAllocator allocator) {
    Random random = new Random(7);
    return MiniLmWeights.of(
        CONFIG,
        (name, shape) -> {
          int count = 1;
          for (int extent : shape) {
            count *= extent;
          }
          boolean gain = name.endsWith("LayerNorm.weight");
          float[] values = new float[count];
          for (int i = 0; i < count; i++) {
            values[i] = (float) ((gain ? 1 : 0) + 0.3 * random.nextGaussian());
          }
          return values;
        },
        allocator);
  }
}
