package dev.borealis.examples.finetune;

import dev.borealis.adapter.Nonlinearity;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.examples.encoder.BorealisProjections;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Pooling;
import dev.borealis.examples.minilm.Projection;
import dev.borealis.merge.Calibration;
import dev.borealis.merge.Merge;
import dev.borealis.merge.MergeDelta;
import dev.borealis.merge.MergeReport;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What a trained adapter's branch is like, and what its merges leave of it.
 *
 * @param testExamples size of the test set
 * @param reproduced test examples that the loaded adapters classify rightly
 * @param spectra one an adapter
 * @param merges one a merge
 */
record Analysis(
    int testExamples, int reproduced, List<Spectrum> spectra, List<MergeResult> merges) {
  static final String FILE = "analysis.json";

  /** Training glosses whose activations calibrate a merge. */
  static final int CALIBRATION = 1_024;

  /** Test glosses on whose activations the error of a merge is measured. */
  static final int HELD_OUT = 64;

  /** Analyses a run whose adapters are on disk, unless that is on disk too. */
  static void complete(Workbench bench, Options options, long seed) throws IOException {
    Path folder = options.out().resolve(options.slug(seed));
    Path file = folder.resolve(FILE);
    if (Files.exists(folder.resolve(RunResult.FILE)) && !Files.exists(file)) {
      try (TrainingRun run = new TrainingRun(bench, options, seed);
          Arena arena = Arena.ofShared()) {
        run.load();
        JsonFiles.write(file, new Analyst(bench, run, arena).analyse());
      }
    }
  }

  /** What one analysis needs. */
  private static final class Analyst {
    private final Workbench bench;
    private final TrainingRun run;
    private final Arena arena;
    private final EncoderWorkspace workspace;

    Analyst(Workbench bench, TrainingRun run, Arena arena) {
      this.bench = bench;
      this.run = run;
      this.arena = arena;
      this.workspace =
          new EncoderWorkspace(bench.weights().config(), Workbench.MAX_TOKENS, false, arena);
    }

    Analysis analyse() {
      Map<AttachedAdapter, Spectrum.Collector> collectors = new LinkedHashMap<>();
      for (AttachedAdapter attached : run.adapters().all()) {
        collectors.put(attached, new Spectrum.Collector(attached, Workbench.MAX_TOKENS, arena));
      }
      Evaluation dynamic =
          evaluate(bench.weights(), inputs((adapter, x) -> of(adapter, collectors).add(x)));
      List<Spectrum> spectra =
          collectors.values().stream().map(Spectrum.Collector::spectrum).toList();
      return new Analysis(bench.test().size(), dynamic.correct(), spectra, merges());
    }

    private Projection.Factory inputs(BranchInputs.Sink sink) {
      return new BranchInputs(bench.projections().with(run.adapters()), run.adapters(), sink);
    }

    private Evaluation evaluate(MiniLmWeights weights, Projection.Factory projections) {
      return Evaluation.of(
          new Encoder(weights, projections, Pooling.MEAN), run.head(), bench.test(), workspace);
    }

    private List<MergeResult> merges() {
      List<MergeResult> results = new ArrayList<>();
      Evaluation removed = evaluate(bench.weights(), bench.projections().plain());
      results.add(new MergeResult("removed", removed.correct(), 1, 0));
      Map<AttachedAdapter, Tensor> samples = activations(bench.train().subList(0, CALIBRATION));
      Map<AttachedAdapter, Tensor> heldOut = activations(bench.test().subList(0, HELD_OUT));
      Nonlinearity phi = run.adapters().all().getFirst().weights().spec().nonlinearity();
      boolean linear = phi instanceof Nonlinearity.Mixer || run.isLora();
      if (linear) {
        results.add(merge("exact", heldOut, (adapter, weights) -> Merge.delta(weights, arena)));
        return results;
      }
      if (phi instanceof Nonlinearity.Aurora) {
        results.add(
            merge("static", heldOut, (adapter, weights) -> Merge.staticDelta(weights, arena)));
      }
      results.add(calibrated("calibrated", Calibration.LINEAR, samples, heldOut));
      results.add(calibrated("calibrated with intercept", Calibration.AFFINE, samples, heldOut));
      return results;
    }

    private MergeResult calibrated(
        String kind,
        Calibration calibration,
        Map<AttachedAdapter, Tensor> samples,
        Map<AttachedAdapter, Tensor> heldOut) {
      return merge(
          kind,
          heldOut,
          (adapter, weights) ->
              Merge.calibratedDelta(weights, of(adapter, samples), calibration, arena));
    }

    private MergeResult merge(
        String kind, Map<AttachedAdapter, Tensor> heldOut, MergedModel.Merger merger) {
      List<MergeReport> reports = new ArrayList<>();
      MiniLmWeights merged =
          MergedModel.of(
              bench.weights(),
              run.adapters(),
              (adapter, weights) -> {
                MergeDelta delta = merger.merge(adapter, weights);
                reports.add(Merge.report(weights, delta, of(adapter, heldOut)));
                return delta;
              },
              arena);
      try (var projections = new BorealisProjections(merged, bench.backend())) {
        int correct = evaluate(merged, projections.plain()).correct();
        return new MergeResult(
            kind,
            correct,
            reports.stream().mapToDouble(MergeReport::relativeError).average().orElseThrow(),
            reports.stream().mapToDouble(MergeReport::constantShare).average().orElseThrow());
      }
    }

    private static <T> T of(AttachedAdapter adapter, Map<AttachedAdapter, T> all) {
      return Objects.requireNonNull(all.get(adapter), adapter.name());
    }

    /** What goes into every adapter for these sentences [tokens, in]. */
    private Map<AttachedAdapter, Tensor> activations(List<Example> sentences) {
      int tokens = sentences.stream().mapToInt(example -> example.tokens().length).sum();
      Map<AttachedAdapter, Tensor> samples = new LinkedHashMap<>();
      Map<AttachedAdapter, Integer> filled = new LinkedHashMap<>();
      for (AttachedAdapter attached : run.adapters().all()) {
        int in = attached.weights().spec().inFeatures();
        samples.put(attached, Tensor.allocate(arena, DType.F32, tokens, in));
        filled.put(attached, 0);
      }
      Encoder encoder =
          new Encoder(
              bench.weights(),
              inputs((adapter, x) -> {
                int rows = (int) x.rows();
                int from = filled.merge(adapter, rows, Integer::sum) - rows;
                Tensor target = of(adapter, samples).rowSlice(from, from + rows);
                target.segment().copyFrom(x.segment().asSlice(0, rows * x.columns() * Float.BYTES));
              }),
              Pooling.MEAN);
      Evaluation.of(encoder, run.head(), sentences, workspace);
      return samples;
    }
  }
}
