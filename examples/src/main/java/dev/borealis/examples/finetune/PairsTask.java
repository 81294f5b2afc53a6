package dev.borealis.examples.finetune;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Update;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.merge.Calibration;
import dev.borealis.merge.Merge;
import dev.borealis.merge.MergeDelta;
import dev.borealis.merge.MergeReport;
import dev.borealis.optim.AdamW;
import dev.borealis.optim.LinearSchedule;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;

/**
 * Do two glosses belong to the same lexicographer file? From their frozen embeddings {@code [e1;
 * e2]}, through a frozen random layer with an adapter and a trained linear head. Made so that a
 * linear branch can't do it: see {@link PairSample}.
 */
final class PairsTask {
  static final String FILE = "pairs-%s-seed%d.json";
  static final int TRAIN_PAIRS = 30_000;
  static final int TEST_PAIRS = 6_000;

  private static final int OUT = 64;
  private static final int BATCH = 32;
  private static final int EPOCHS = 3;
  private static final double ADAPTER_RATE = 2e-3;
  private static final double HEAD_RATE = 1e-2;
  private static final int CALIBRATION = 2_048;
  private static final int BLOCK = 500;
  private static final GradientOptions GRADIENTS =
      new GradientOptions(Update.OVERWRITE, Update.OVERWRITE);

  private final Backend backend;
  private final Tensor train;
  private final int[] trainLabels;
  private final Tensor test;
  private final int[] testLabels;
  private final Tensor w0;
  private final Arena arena;

  /**
   * Draws the pairs.
   *
   * @param arena shared; owner of the pairs' embeddings
   */
  PairsTask(Workbench bench, FrozenEmbeddings embeddings, Arena arena) {
    this.backend = bench.backend();
    this.arena = arena;
    PairSample trainPairs = PairSample.of(bench.train(), TRAIN_PAIRS, 1);
    PairSample testPairs = PairSample.of(bench.test(), TEST_PAIRS, 2);
    this.train = inputs(embeddings.train(), trainPairs);
    this.trainLabels = trainPairs.same();
    this.test = inputs(embeddings.test(), testPairs);
    this.testLabels = testPairs.same();
    this.w0 = Tensor.allocate(arena, DType.F32, OUT, train.columns());
    var random = RandomGeneratorFactory.of("L64X128MixRandom").create(3);
    double bound = 1 / Math.sqrt((double) train.columns());
    for (long row = 0; row < w0.rows(); row++) {
      for (long column = 0; column < w0.columns(); column++) {
        w0.set(row, column, (float) ((2 * random.nextDouble() - 1) * bound));
      }
    }
  }

  private Tensor inputs(float[][] embeddings, PairSample pairs) {
    int width = embeddings[0].length;
    Tensor x = Tensor.allocate(arena, DType.F32, pairs.size(), 2L * width);
    for (int i = 0; i < pairs.size(); i++) {
      long row = (long) i * 2 * width * Float.BYTES;
      long half = (long) width * Float.BYTES;
      copy(embeddings[pairs.firsts()[i]], x.segment(), row);
      copy(embeddings[pairs.seconds()[i]], x.segment(), row + half);
    }
    return x;
  }

  private static void copy(float[] values, MemorySegment target, long offset) {
    MemorySegment.copy(values, 0, target, ValueLayout.JAVA_FLOAT, offset, values.length);
  }

  /**
   * What a training gave.
   *
   * @param method title of the method
   * @param rank r
   * @param seed of weights and order
   * @param parameters numbers in the adapter
   * @param testPairs number of them
   * @param correct of these with the adapter as it is
   * @param merges of these with the adapter merged
   */
  record Result(
      String method,
      int rank,
      long seed,
      long parameters,
      int testPairs,
      int correct,
      List<MergeResult> merges) {}

  /** Trains and tests one kind of adapter. */
  Result run(AdapterKind kind, long seed) {
    try (Arena own = Arena.ofShared();
        Session session = new Session(kind, seed, own)) {
      session.train(seed);
      int correct = session.correct(w0, null, true);
      return new Result(
          kind.title(),
          kind.rank(),
          seed,
          session.parameters(),
          testLabels.length,
          correct,
          session.merges(kind));
    }
  }

  /** One adapter with its head. */
  private final class Session implements AutoCloseable {
    private final AdapterWeights weights;
    private final AdapterGradients gradients;
    private final Adapter adapter;
    private final Workspace workspace;
    private final Linear linear;
    private final Head head;
    private final AdamW adapterOptimiser;
    private final AdamW headOptimiser;
    private final Arena own;

    Session(AdapterKind kind, long seed, Arena own) {
      AdapterSpec spec = kind.spec((int) w0.columns(), OUT);
      this.own = own;
      this.weights = AdapterWeights.initialise(spec, 100 + seed, own);
      this.gradients = AdapterGradients.allocate(spec, own);
      this.adapter = backend.prepare(weights);
      this.workspace = adapter.workspace(BLOCK, Mode.TRAINING, own);
      this.linear = backend.prepareLinear(w0, null);
      this.head = new Head(OUT, 2, 7_777 + seed, own);
      this.adapterOptimiser =
          AdamW.builder()
              .weightDecay(Trainer.WEIGHT_DECAY)
              .add("adapter", weights, gradients)
              .build(own);
      this.headOptimiser = head.optimiser(Trainer.WEIGHT_DECAY, own);
    }

    long parameters() {
      return weights.parameters().stream()
          .mapToLong(p -> weights.get(p).rows() * weights.get(p).columns())
          .sum();
    }

    void train(long seed) {
      int steps = (trainLabels.length + BATCH - 1) / BATCH * EPOCHS;
      var adapterRate = LinearSchedule.withWarmupRatio(ADAPTER_RATE, Trainer.WARM_UP, steps);
      var headRate = LinearSchedule.withWarmupRatio(HEAD_RATE, Trainer.WARM_UP, steps);
      Random random = Random.from(RandomGeneratorFactory.of("L64X128MixRandom").create(seed));
      List<Integer> order = new ArrayList<>();
      for (int i = 0; i < trainLabels.length; i++) {
        order.add(i);
      }
      Tensor x = Tensor.allocate(own, DType.F32, BATCH, w0.columns());
      Tensor y = Tensor.allocate(own, DType.F32, BATCH, OUT);
      for (int epoch = 0; epoch < EPOCHS; epoch++) {
        Collections.shuffle(order, random);
        for (int from = 0; from < order.size(); from += BATCH) {
          List<Integer> batch = order.subList(from, Math.min(from + BATCH, order.size()));
          int[] labels = new int[batch.size()];
          long bytes = x.columns() * Float.BYTES;
          for (int i = 0; i < labels.length; i++) {
            MemorySegment.copy(
                train.segment(), batch.get(i) * bytes, x.segment(), i * bytes, bytes);
            labels[i] = trainLabels[batch.get(i)];
          }
          step(x.rowSlice(0, labels.length), y.rowSlice(0, labels.length), labels);
          adapterOptimiser.step(adapterRate.at(adapterOptimiser.steps()));
          headOptimiser.step(headRate.at(headOptimiser.steps()));
          adapter.repack();
        }
      }
    }

    private void step(Tensor x, Tensor y, int[] labels) {
      linear.forward(x, y, adapter, workspace);
      float[][] dY = head.loss(rows(y), labels).dX();
      for (int i = 0; i < dY.length; i++) {
        copy(dY[i], y.segment(), (long) i * OUT * Float.BYTES);
      }
      adapter.backward(x, y, null, gradients, GRADIENTS, workspace);
    }

    /** Test pairs classified rightly, with the adapter or with merged weights. */
    int correct(Tensor weight, @Nullable Tensor bias, boolean adapted) {
      int correct = 0;
      Tensor y = Tensor.allocate(own, DType.F32, BLOCK, OUT);
      try (Linear layer = backend.prepareLinear(weight, bias)) {
        for (int from = 0; from < testLabels.length; from += BLOCK) {
          int to = Math.min(from + BLOCK, testLabels.length);
          Tensor x = test.rowSlice(from, to);
          Tensor block = y.rowSlice(0, x.rows());
          if (adapted) {
            layer.forward(x, block, adapter, workspace);
          } else {
            layer.forward(x, block);
          }
          double[][] logits = head.logits(rows(block));
          for (int i = 0; i < logits.length; i++) {
            correct += Head.best(logits[i]) == testLabels[from + i] ? 1 : 0;
          }
        }
      }
      return correct;
    }

    List<MergeResult> merges(AdapterKind kind) {
      List<MergeResult> results = new ArrayList<>();
      if (kind.method() == AdapterKind.Method.LORA) {
        results.add(merged("exact", Merge.delta(weights, own)));
        return results;
      }
      if (kind.method() == AdapterKind.Method.AURORA) {
        results.add(merged("static", Merge.staticDelta(weights, own)));
      }
      Tensor samples = middle(train, CALIBRATION);
      for (Calibration calibration : Calibration.values()) {
        results.add(
            merged(
                calibration == Calibration.LINEAR ? "calibrated" : "calibrated with intercept",
                Merge.calibratedDelta(weights, samples, calibration, own)));
      }
      return results;
    }

    private MergeResult merged(String kind, MergeDelta delta) {
      MergeReport report = Merge.report(weights, delta, middle(test, BLOCK));
      Tensor weight = Tensor.allocate(own, DType.F32, w0.shape());
      weight.segment().copyFrom(w0.segment());
      Tensor bias = Tensor.allocate(own, DType.F32, OUT);
      Merge.apply(delta, weight, delta.bias() == null ? null : bias, own);
      return new MergeResult(
          kind,
          correct(weight, delta.bias() == null ? null : bias, false),
          report.relativeError(),
          report.constantShare());
    }

    @Override
    public void close() {
      linear.close();
      adapter.close();
    }
  }

  /** As many pairs of the same class as of two: the halves meet in the middle. */
  private static Tensor middle(Tensor pairs, int count) {
    long from = (pairs.rows() - count) / 2;
    return pairs.rowSlice(from, from + count);
  }

  private static float[][] rows(Tensor y) {
    float[][] rows = new float[(int) y.rows()][OUT];
    for (int i = 0; i < rows.length; i++) {
      MemorySegment.copy(
          y.segment(), ValueLayout.JAVA_FLOAT, (long) i * OUT * Float.BYTES, rows[i], 0, OUT);
    }
    return rows;
  }
}
