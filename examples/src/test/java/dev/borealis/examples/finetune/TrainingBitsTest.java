package dev.borealis.examples.finetune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A few steps of training give known losses on every number of threads: to the bit on the scalar
 * backend, whose arithmetic is fixed; on the Vector API, where a kernel may add in another order
 * after a change, the same bits for all and no more than rounding away. Each runs in a JVM of its
 * own, since a JVM has one pool; vectors are of 128 bits, which every machine has.
 */
class TrainingBitsTest {
  private static final List<String> LOSSES =
      List.of(
          "0x1.3793b2p0",
          "0x1.4eaffcp0",
          "0x1.b1ebd6p0",
          "0x1.7957d4p0",
          "0x1.2d8d2p0",
          "0x1.4e98c8p0");

  private static final float ROUNDING = 1e-5f;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void scalarLossesAreKnownToTheBit(int threads) throws IOException, InterruptedException {
    assertEquals(LOSSES, run("scalar", threads));
  }

  @Test
  void vectorLossesAreTheSameBitsOnAnyNumberOfThreads() throws IOException, InterruptedException {
    List<String> alone = run("panama", 1);
    for (int i = 0; i < LOSSES.size(); i++) {
      assertEquals(Float.parseFloat(LOSSES.get(i)), Float.parseFloat(alone.get(i)), ROUNDING);
    }
    for (int threads : new int[] {2, 3, 7}) {
      assertEquals(alone, run("panama", threads), threads + " threads");
    }
  }

  private static List<String> run(String backend, int threads)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--add-modules",
                    "jdk.incubator.vector",
                    "-Dborealis.threads=" + threads,
                    "-Dborealis.vectorBits=128",
                    "-Djava.util.concurrent.ForkJoinPool.common.parallelism=" + threads,
                    "-classpath",
                    System.getProperty("java.class.path"),
                    TinyTraining.class.getName(),
                    backend))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (var output = process.inputReader()) {
      List<String> losses = output.readAllLines();
      assertEquals(0, process.waitFor(), losses.toString());
      return losses;
    }
  }
}
