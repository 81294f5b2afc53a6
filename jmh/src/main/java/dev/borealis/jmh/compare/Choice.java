package dev.borealis.jmh.compare;

import dev.borealis.jmh.Method;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Which cases a mode measures. */
public enum Choice {
  /** A representative dozen. */
  QUICK(130) {
    @Override
    void fill(List<Layer> layers, Set<Case> cases) {
      Grid base = new Grid(cases, some(layers, 768, 768));
      base.add(1, List.of(Method.LORA, Method.AURORA), List.of(8), List.of(1, 512));
      Grid large = new Grid(cases, some(layers, 4096, 4096));
      large.add(1, List.of(Method.LORA), List.of(8, 64), List.of(512));
      large.add(1, List.of(Method.AURORA), List.of(2), List.of(16));
      base.add(1, List.of(Method.LORA), List.of(8), List.of(512), Call.STEP);
      large.add(2, List.of(Method.LORA), List.of(16), List.of(512));
    }
  },

  /** What the report shows. */
  PEERS(25 * 60) {
    @Override
    void fill(List<Layer> layers, Set<Case> cases) {
      List<Method> both = List.of(Method.LORA, Method.AURORA);
      List<Method> others = List.of(Method.NORA, Method.NOLORA);
      List<Method> lora = List.of(Method.LORA);
      Grid small = new Grid(cases, some(layers, 768, 768));
      Grid large = new Grid(cases, some(layers, 4096, 4096));
      Grid all = new Grid(cases, layers);
      large.add(1, both, List.of(2, 8, 16, 64, 512), List.of(1, 16, 512));
      large.add(1, lora, List.of(2, 8, 16, 64), List.of(4096));
      all.add(1, lora, List.of(8), List.of(1, 512));
      small.add(1, both, List.of(2, 8, 64), List.of(1, 16, 512));
      small.add(1, lora, List.of(8), List.of(4096));
      for (Grid square : List.of(small, large)) {
        square.add(1, others, List.of(8, 64), List.of(16, 512));
        square.add(1, both, List.of(8, 64), List.of(16, 512), Call.STEP);
        square.add(1, others, List.of(8), List.of(512), Call.STEP);
        square.add(1, lora, List.of(8, 64), List.of(1), Call.MERGE);
      }
      all.add(1, List.of(Method.AURORA), List.of(2), List.of(512));
      large.add(2, both, List.of(8, 64), List.of(16, 512));
      large.add(2, lora, List.of(2, 8), List.of(4096));
      large.add(2, lora, List.of(8), List.of(512), Call.STEP);
    }
  },

  /** Everything; hours. */
  FULL(0) {
    @Override
    void fill(List<Layer> layers, Set<Case> cases) {
      Grid all = new Grid(cases, layers);
      for (int threads = 1; threads <= 2; threads++) {
        all.add(
            threads,
            List.of(Method.values()),
            List.of(2, 8, 16, 64, 512),
            List.of(1, 16, 512, 4096));
        all.add(threads, List.of(Method.values()), List.of(2, 8, 64), List.of(16, 512), Call.STEP);
      }
      all.add(1, List.of(Method.LORA), List.of(2, 8, 64, 512), List.of(1), Call.MERGE);
    }
  };

  private final double seconds;

  Choice(double seconds) {
    this.seconds = seconds;
  }

  /** {@return how long a run may take without the build; 0 for as long as it takes} */
  double seconds() {
    return seconds;
  }

  abstract void fill(List<Layer> layers, Set<Case> cases);

  /**
   * {@return the cases, those with one thread first}
   *
   * @param layers to choose from
   */
  List<Case> cases(List<Layer> layers) {
    Set<Case> cases = new LinkedHashSet<>();
    fill(layers, cases);
    List<Case> sorted = new ArrayList<>(cases);
    sorted.sort((a, b) -> Integer.compare(a.threads(), b.threads()));
    return sorted;
  }

  private static List<Layer> some(List<Layer> layers, int in, int out) {
    return List.of(find(layers, in, out));
  }

  private static Layer find(List<Layer> layers, int in, int out) {
    return layers.stream()
        .filter(layer -> layer.inFeatures() == in && layer.outFeatures() == out)
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("no shapes file has a layer " + in + " × " + out));
  }

  /** Adds products of choices, forward and backward unless calls are given. */
  private record Grid(Set<Case> cases, List<Layer> layers) {
    void add(int threads, List<Method> methods, List<Integer> ranks, List<Integer> tokens) {
      add(threads, methods, ranks, tokens, Call.FORWARD, Call.BACKWARD);
    }

    void add(
        int threads,
        List<Method> methods,
        List<Integer> ranks,
        List<Integer> tokens,
        Call... calls) {
      for (Layer layer : layers) {
        for (Method method : methods) {
          for (int rank : ranks) {
            for (int n : tokens) {
              for (Call call : calls) {
                cases.add(new Case(layer, method, call, rank, n, threads));
              }
            }
          }
        }
      }
    }
  }
}
