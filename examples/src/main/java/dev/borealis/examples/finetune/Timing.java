package dev.borealis.examples.finetune;

/**
 * How long a run took on the machine as it was.
 *
 * @param run which
 * @param threads of kernels and of all else
 * @param runSeconds training, test, saving and reloading
 * @param seconds with loading the model and the data
 * @param trainTokens tokens seen in training, all epochs
 * @param commit what was built
 */
record Timing(
    String run, int threads, double runSeconds, double seconds, long trainTokens, String commit) {
  static final String FILE = "timing.json";
}
