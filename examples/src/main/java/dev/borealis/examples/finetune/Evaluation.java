package dev.borealis.examples.finetune;

import dev.borealis.examples.minilm.Encoder;
import dev.borealis.examples.minilm.EncoderWorkspace;
import java.util.List;

/**
 * What a classifier says of a set.
 *
 * @param logits of every example, in the set's order
 * @param correct how many have their largest logit at the right class
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
record Evaluation(double[][] logits, int correct) {
  /** Classifies a set, in batches of sentences of about equal length. */
  static Evaluation of(Encoder encoder, Head head, List<Example> set, EncoderWorkspace workspace) {
    double[][] logits = new double[set.size()][];
    int correct = 0;
    for (Batch batch : Batch.byLength(set, Workbench.BATCH)) {
      double[][] ofBatch = head.logits(encoder.forward(batch.tokens(), workspace));
      for (int i = 0; i < ofBatch.length; i++) {
        logits[batch.indices()[i]] = ofBatch[i];
        correct += Head.best(ofBatch[i]) == batch.labels()[i] ? 1 : 0;
      }
    }
    return new Evaluation(logits, correct);
  }

  /** Share of right answers, in per cent. */
  double accuracy() {
    return 100.0 * correct / logits.length;
  }

  /** Standard error of a share of n in per cent, by the binomial distribution. */
  static double standardError(double accuracy, int n) {
    return Math.sqrt(accuracy * (100 - accuracy) / n);
  }
}
