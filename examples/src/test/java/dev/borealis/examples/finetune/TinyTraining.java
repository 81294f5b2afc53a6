package dev.borealis.examples.finetune;

import dev.borealis.adapter.SplineMode;
import dev.borealis.backend.Backend;
import dev.borealis.examples.encoder.AdapterSet;
import dev.borealis.examples.encoder.BorealisProjections;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Pooling;
import dev.borealis.examples.minilm.Site;
import dev.borealis.examples.minilm.TinyModel;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;

/** AuroRA on a small random encoder; as a program it prints the bits of its losses. */
final class TinyTraining implements AutoCloseable {
  static final int STEPS = 6;

  private static final int CLASSES = 3;
  private static final int BATCH = 4;

  final Trainer trainer;
  private final Arena arena = Arena.ofShared();
  private final BorealisProjections projections;
  private final AdapterSet adapters;
  private final List<Batch> batches;

  TinyTraining(Backend backend) {
    List<Example> examples = examples();
    batches = Batch.epoch(examples, BATCH, 0, 0);
    MiniLmWeights weights = TinyModel.weights(arena);
    projections = new BorealisProjections(weights, backend);
    int maxTokens = BATCH * TinyModel.CONFIG.positions();
    adapters =
        new AdapterSet(
            new AdapterKind(AdapterKind.Method.AURORA, 2, SplineMode.SUM)::spec,
            EnumSet.allOf(Site.class),
            5,
            weights,
            maxTokens,
            backend,
            arena);
    trainer =
        new Trainer(
            new Encoder(weights, projections.with(adapters), Pooling.MEAN),
            adapters,
            new Head(TinyModel.CONFIG.hidden(), CLASSES, 5, arena),
            new EncoderWorkspace(TinyModel.CONFIG, maxTokens, true, arena),
            new Trainer.Rates(4e-2, 1e-1),
            STEPS,
            arena);
  }

  private static List<Example> examples() {
    Random random = new Random(4);
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < STEPS * BATCH; i++) {
      int[] tokens = new int[1 + random.nextInt(9)];
      for (int t = 0; t < tokens.length; t++) {
        tokens[t] = random.nextInt(TinyModel.CONFIG.vocabulary());
      }
      examples.add(new Example(tokens, i % CLASSES));
    }
    return examples;
  }

  /** Takes the step of that number; returns its loss. */
  float step(int number) {
    return (float) trainer.step(batches.get(number));
  }

  @Override
  public void close() {
    adapters.close();
    projections.close();
    arena.close();
  }

  public static void main(String[] args) {
    try (TinyTraining training = new TinyTraining(Backend.require(args[0]))) {
      for (int i = 0; i < STEPS; i++) {
        System.out.println(Float.toHexString(training.step(i)));
      }
    }
  }
}
