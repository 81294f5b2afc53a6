package dev.borealis.examples.finetune;

import dev.borealis.optim.AdamW;
import dev.borealis.optim.LinearSchedule;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** The head alone, trained by the recipe on frozen embeddings: what adapters have to beat. */
final class LinearProbe {
  static final String FILE = "probe-seed%d.json";

  private static final int EPOCHS = 3;
  private static final double RATE = 1e-2;

  private LinearProbe() {}

  static RunResult train(Workbench bench, FrozenEmbeddings embeddings, long seed) {
    List<Float> losses = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      int width = bench.weights().config().hidden();
      Head head = new Head(width, GlossSplit.CLASSES, 7_777 + seed, arena);
      AdamW optimiser = head.optimiser(Trainer.WEIGHT_DECAY, arena);
      int steps = EPOCHS * bench.train().size() / Workbench.BATCH;
      var schedule = LinearSchedule.withWarmupRatio(RATE, Trainer.WARM_UP, steps);
      for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (Batch batch : Batch.epoch(bench.train(), Workbench.BATCH, seed, epoch)) {
          float[][] x = new float[batch.indices().length][];
          for (int i = 0; i < x.length; i++) {
            x[i] = embeddings.train()[batch.indices()[i]];
          }
          losses.add((float) head.loss(x, batch.labels()).loss());
          optimiser.step(schedule.at(optimiser.steps()));
        }
      }
      double[][] logits = head.logits(embeddings.test());
      int correct = 0;
      for (int i = 0; i < logits.length; i++) {
        correct += Head.best(logits[i]) == bench.test().get(i).label() ? 1 : 0;
      }
      return new RunResult(
          "linear probe",
          0,
          seed,
          0,
          logits.length,
          correct,
          0,
          Options.commit(),
          "%d epochs, rate %s".formatted(EPOCHS, RATE),
          losses);
    }
  }
}
