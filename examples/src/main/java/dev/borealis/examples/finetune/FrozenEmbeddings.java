package dev.borealis.examples.finetune;

import dev.borealis.examples.encoder.Progress;
import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import dev.borealis.examples.minilm.Pooling;
import dev.borealis.io.SafeTensors;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The frozen model's embeddings, mean-pooled and unnormalised, computed once and kept on disk.
 *
 * @param train [examples, hidden]
 * @param test [examples, hidden]
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
record FrozenEmbeddings(float[][] train, float[][] test) {
  private static final String FILE = "embeddings.safetensors";

  /** Reads the embeddings, or computes and writes them. */
  static FrozenEmbeddings of(Workbench bench, Path out) throws IOException {
    Path file = out.resolve(FILE);
    if (!Files.exists(file)) {
      Files.createDirectories(out.toAbsolutePath());
      SequencedMap<String, Tensor> sets = new LinkedHashMap<>();
      sets.put("train", embed(bench, bench.train(), "embed train"));
      sets.put("test", embed(bench, bench.test(), "embed test"));
      SafeTensors.write(file, Map.of(), sets);
    }
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors saved = SafeTensors.open(file, arena);
      return new FrozenEmbeddings(rows(saved.tensor("train")), rows(saved.tensor("test")));
    }
  }

  private static Tensor embed(Workbench bench, List<Example> set, String task) {
    int width = bench.weights().config().hidden();
    float[] values = new float[set.size() * width];
    try (Arena arena = Arena.ofShared()) {
      var workspace =
          new EncoderWorkspace(bench.weights().config(), Workbench.MAX_TOKENS, false, arena);
      var encoder = new Encoder(bench.weights(), bench.projections().plain(), Pooling.MEAN);
      List<Batch> batches = Batch.byLength(set, Workbench.BATCH);
      try (var progress = Progress.of(task, batches.size())) {
        for (Batch batch : batches) {
          float[][] embeddings = encoder.forward(batch.tokens(), workspace);
          for (int i = 0; i < embeddings.length; i++) {
            System.arraycopy(embeddings[i], 0, values, batch.indices()[i] * width, width);
          }
          progress.step();
        }
      }
    }
    return Tensor.of(values, set.size(), width);
  }

  private static float[][] rows(Tensor tensor) {
    float[] values = tensor.segment().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    int width = (int) tensor.columns();
    float[][] rows = new float[values.length / width][width];
    for (int row = 0; row < rows.length; row++) {
      System.arraycopy(values, row * width, rows[row], 0, width);
    }
    return rows;
  }
}
