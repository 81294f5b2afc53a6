package dev.borealis.examples.finetune;

import static dev.borealis.examples.CheckFailedException.require;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.examples.encoder.AdapterSet;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.examples.encoder.Progress;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Pooling;
import dev.borealis.io.PeftCheckpoint;
import dev.borealis.io.SafeTensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import me.tongfei.progressbar.ProgressBar;

/** One method, one seed: training, test, saving and reloading. */
final class TrainingRun implements AutoCloseable {
  private static final int CHECKED = 512;
  private static final int MESSAGE_STEPS = 10;

  private final Workbench bench;
  private final Options options;
  private final long seed;
  private final Arena arena = Arena.ofShared();
  private final List<Example> train;
  private final AdapterSet adapters;
  private final Head head;
  private final Encoder encoder;
  private final EncoderWorkspace workspace;
  private final Trainer trainer;
  private final int stepsPerEpoch;

  TrainingRun(Workbench bench, Options options, long seed) {
    this.bench = bench;
    this.options = options;
    this.seed = seed;
    this.train = bench.train().subList(0, options.train());
    this.stepsPerEpoch = (options.train() + Workbench.BATCH - 1) / Workbench.BATCH;
    this.adapters = newAdapters();
    this.head =
        new Head(bench.weights().config().hidden(), GlossSplit.CLASSES, 7_777 + seed, arena);
    this.encoder = encoder(adapters);
    this.workspace =
        new EncoderWorkspace(bench.weights().config(), Workbench.MAX_TOKENS, true, arena);
    this.trainer =
        new Trainer(
            encoder,
            adapters,
            head,
            workspace,
            new Trainer.Rates(options.adapterRate(), options.headRate()),
            (long) stepsPerEpoch * options.epochs(),
            arena);
  }

  private AdapterSet newAdapters() {
    return new AdapterSet(
        options.kind()::spec,
        options.targets(),
        1_000 * (seed + 1),
        bench.weights(),
        Workbench.MAX_TOKENS,
        bench.backend(),
        arena);
  }

  private Encoder encoder(AdapterSet set) {
    return new Encoder(bench.weights(), bench.projections().with(set), Pooling.MEAN);
  }

  AdapterSet adapters() {
    return adapters;
  }

  Head head() {
    return head;
  }

  Path folder() {
    return options.out().resolve(options.slug(seed));
  }

  /**
   * Trains to the end.
   *
   * @return the loss of every step
   * @throws StoppedException if the user stopped it; the state is saved
   */
  List<Float> train() throws IOException {
    Path snapshot = folder().resolve("stopped.safetensors");
    String recipe = recipe();
    List<Float> losses = new ArrayList<>();
    if (options.resume() && Files.exists(snapshot)) {
      losses.addAll(Snapshot.restore(snapshot, trainer, recipe));
      System.out.printf("resumed after step %d%n", trainer.steps());
    }
    int steps = stepsPerEpoch * options.epochs();
    try (var stop = new StopSignal();
        var progress = Progress.of(options.slug(seed), steps)) {
      progress.stepTo(losses.size());
      long start = System.nanoTime();
      long tokens = 0;
      for (int epoch = losses.size() / stepsPerEpoch; epoch < options.epochs(); epoch++) {
        List<Batch> batches = Batch.epoch(train, Workbench.BATCH, seed, epoch);
        for (int i = losses.size() % stepsPerEpoch; i < batches.size(); i++) {
          losses.add((float) trainer.step(batches.get(i)));
          tokens += batches.get(i).tokens().tokens();
          report(progress, losses, tokens, start);
          if (stop.requested()) {
            Snapshot.save(snapshot, trainer, losses, recipe);
            throw new StoppedException(
                "stopped after step %d of %d, saved to %s; -Dresume goes on"
                    .formatted(losses.size(), steps, snapshot));
          }
        }
      }
    }
    Files.deleteIfExists(snapshot);
    return losses;
  }

  /** Takes some steps of the first epoch from its beginning, as many as fit. */
  void steps(int count) {
    Batch.epoch(train, Workbench.BATCH, seed, 0).stream().limit(count).forEach(trainer::step);
  }

  /** All that the numbers depend on. */
  private String recipe() {
    return "%s seed %d at %s, %d examples, %d epochs, rates %s and %s"
        .formatted(
            options.kind(),
            seed,
            options.targets(),
            options.train(),
            options.epochs(),
            options.adapterRate(),
            options.headRate());
  }

  private static void report(ProgressBar progress, List<Float> losses, long tokens, long start) {
    progress.step();
    if (losses.size() % MESSAGE_STEPS == 0) {
      double loss =
          losses.subList(losses.size() - MESSAGE_STEPS, losses.size()).stream()
              .mapToDouble(Float::doubleValue)
              .average()
              .orElseThrow();
      progress.setExtraMessage(
          "loss %.3f, %,.0f tokens/s".formatted(loss, tokens * 1e9 / (System.nanoTime() - start)));
    }
  }

  /**
   * Trains, tests, saves, and checks what was saved.
   *
   * @throws StoppedException if the user stopped it; the state is saved
   */
  RunResult complete() throws IOException {
    List<Float> losses = train();
    Evaluation test = evaluate(bench.test());
    saveAndReload();
    RunResult result =
        new RunResult(
            options.kind().title(),
            options.kind().rank(),
            seed,
            adapters.parameters(),
            bench.test().size(),
            test.correct(),
            tokens() * options.epochs(),
            Options.commit(),
            recipe(),
            losses);
    JsonFiles.write(folder().resolve(RunResult.FILE), result);
    return result;
  }

  private long tokens() {
    return train.stream().mapToLong(example -> example.tokens().length).sum();
  }

  /** Classifies a set. */
  Evaluation evaluate(List<Example> set) {
    return Evaluation.of(encoder, head, set, workspace);
  }

  /** Saves adapters and head, loads them again, and compares logits on the first test glosses. */
  private void saveAndReload() throws IOException {
    SequencedMap<String, AdapterWeights> modules = new LinkedHashMap<>();
    adapters.all().forEach(attached -> modules.put(attached.name(), attached.weights()));
    PeftCheckpoint.save(adapterFolder(), modules, "sentence-transformers/all-MiniLM-L6-v2");
    SafeTensors.write(headFile(), Map.of(), new LinkedHashMap<>(head.tensors()));
    List<Example> some = bench.test().subList(0, CHECKED);
    double[][] expected = evaluate(some).logits();
    try (AdapterSet reloaded = newAdapters()) {
      load(reloaded);
      double[][] came = Evaluation.of(encoder(reloaded), head, some, workspace).logits();
      require(
          Arrays.deepEquals(expected, came),
          "reloaded adapters: expected the same bits in all logits, came others");
    }
  }

  /** Takes over the adapters and the head that were saved. */
  void load() throws IOException {
    load(adapters);
    try (Arena file = Arena.ofConfined()) {
      SafeTensors saved = SafeTensors.open(headFile(), file);
      head.tensors()
          .forEach((name, tensor) -> tensor.segment().copyFrom(saved.tensor(name).segment()));
    }
  }

  private void load(AdapterSet set) throws IOException {
    try (Arena file = Arena.ofConfined()) {
      PeftCheckpoint checkpoint = PeftCheckpoint.open(adapterFolder(), file);
      for (AttachedAdapter attached : set.all()) {
        attached.load(checkpoint.weights(attached.name(), file));
      }
    }
  }

  private Path adapterFolder() {
    return folder().resolve("adapter");
  }

  private Path headFile() {
    return folder().resolve("head.safetensors");
  }

  /** Whether the adapters are plain LoRA, with an exact merge. */
  boolean isLora() {
    return options.kind().method() == AdapterKind.Method.LORA;
  }

  @Override
  public void close() {
    adapters.close();
    arena.close();
  }
}
