package dev.borealis.examples.finetune;

import java.util.List;

/**
 * What a training gave, as it is kept on disk. The adapters and the head lie beside it.
 *
 * @param method title of the method, with AuroRA's spline reading
 * @param rank r
 * @param seed of weights and order
 * @param parameters numbers in all adapters
 * @param testExamples size of the test set
 * @param correct how many of them were classified rightly
 * @param trainTokens tokens seen in training
 * @param commit what was built
 * @param recipe all other settings, in words
 * @param losses of every step
 */
record RunResult(
    String method,
    int rank,
    long seed,
    long parameters,
    int testExamples,
    int correct,
    long trainTokens,
    String commit,
    String recipe,
    List<Float> losses) {
  static final String FILE = "result.json";

  /** Share of right answers, in per cent. */
  double accuracy() {
    return 100.0 * correct / testExamples;
  }
}
