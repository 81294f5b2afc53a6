package dev.borealis.examples.finetune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchTest {
  private static final int COUNT = 1_101;
  private static final List<Example> EXAMPLES =
      IntStream.range(0, COUNT).mapToObj(i -> new Example(new int[1 + i % 30], i % 26)).toList();

  private static int[] order(List<Batch> batches) {
    return batches.stream().flatMapToInt(batch -> Arrays.stream(batch.indices())).toArray();
  }

  @Test
  void anEpochHasEveryExampleOnceInRandomOrder() {
    int[] order = order(Batch.epoch(EXAMPLES, 32, 0, 0));
    assertArrayEquals(IntStream.range(0, COUNT).toArray(), IntStream.of(order).sorted().toArray());
    assertFalse(Arrays.equals(order, order(Batch.epoch(EXAMPLES, 32, 0, 1))), "epochs differ");
    assertFalse(Arrays.equals(order, order(Batch.epoch(EXAMPLES, 32, 1, 0))), "seeds differ");
    assertArrayEquals(order, order(Batch.epoch(EXAMPLES, 32, 0, 0)));
  }

  @Test
  void batchesOfAPoolHaveSentencesOfAboutEqualLength() {
    List<Batch> batches = Batch.epoch(EXAMPLES, 32, 0, 0);
    assertEquals(16 + 16 + 3, batches.size());
    for (Batch batch : batches) {
      int shortest =
          IntStream.range(0, batch.labels().length).map(batch.tokens()::length).min().orElseThrow();
      assertTrue(batch.tokens().longest() - shortest < 20, "a sorted pool has neighbours");
      for (int i = 0; i < batch.labels().length; i++) {
        assertEquals(EXAMPLES.get(batch.indices()[i]).label(), batch.labels()[i]);
      }
    }
  }

  @Test
  void evaluationGoesByLength() {
    List<Integer> lengths = new ArrayList<>();
    for (Batch batch : Batch.byLength(EXAMPLES, 32)) {
      for (int s = 0; s < batch.labels().length; s++) {
        lengths.add(batch.tokens().length(s));
      }
    }
    assertEquals(COUNT, lengths.size());
    assertEquals(lengths.stream().sorted().toList(), lengths);
  }
}
