package dev.borealis.examples.finetune;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.random.RandomGeneratorFactory;

/**
 * Pairs of examples, half of them of the same class.
 *
 * <p>For each pair of the same class the first example is drawn uniformly from the set, the second
 * from the others of its class. The other half has the same firsts and the same seconds, which are
 * shuffled and then exchanged at random until no pair has one class. So every first and every
 * second stands once in a pair of one class and once in a pair of two: a score {@code f(first) +
 * g(second)}, which is all that a linear branch and a linear head can compute, adds up to the same
 * over both halves, and nothing can be learnt from either side alone.
 *
 * @param firsts indices in the set
 * @param seconds indices in the set
 * @param same 1 for the same class, else 0
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
record PairSample(int[] firsts, int[] seconds, int[] same) {

  /** Draws pairs, an even number. */
  static PairSample of(List<Example> set, int count, long seed) {
    Random random = Random.from(RandomGeneratorFactory.of("L64X128MixRandom").create(seed));
    Map<Integer, List<Integer>> classes = new HashMap<>();
    for (int i = 0; i < set.size(); i++) {
      classes.computeIfAbsent(set.get(i).label(), label -> new ArrayList<>()).add(i);
    }
    int half = count / 2;
    int[] firsts = new int[count];
    int[] seconds = new int[count];
    int[] same = new int[count];
    for (int i = 0; i < half; ) {
      firsts[i] = random.nextInt(set.size());
      List<Integer> others = classes.getOrDefault(set.get(firsts[i]).label(), List.of());
      seconds[i] = others.get(random.nextInt(others.size()));
      same[i] = 1;
      if (seconds[i] != firsts[i]) {
        i++;
      }
    }
    List<Integer> shuffled = new ArrayList<>();
    for (int i = 0; i < half; i++) {
      shuffled.add(seconds[i]);
    }
    Collections.shuffle(shuffled, random);
    for (int i = 0; i < half; ) {
      if (differ(set, firsts[i], shuffled.get(i))) {
        i++;
        continue;
      }
      int other = random.nextInt(half);
      if (differ(set, firsts[i], shuffled.get(other))
          && differ(set, firsts[other], shuffled.get(i))) {
        Collections.swap(shuffled, i, other);
      }
    }
    for (int i = 0; i < half; i++) {
      firsts[half + i] = firsts[i];
      seconds[half + i] = shuffled.get(i);
    }
    return new PairSample(firsts, seconds, same);
  }

  private static boolean differ(List<Example> set, int first, int second) {
    return set.get(first).label() != set.get(second).label();
  }

  int size() {
    return same.length;
  }
}
