package dev.borealis.examples.finetune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.borealis.backend.Backend;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A training that was stopped goes on as if it had not been. */
class ResumeTest {
  private static final int STOP = 2;

  @TempDir private Path folder;

  @Test
  void givesTheBitsOfAnUninterruptedRun() throws IOException {
    Path file = folder.resolve("stopped.safetensors");
    try (var whole = new TinyTraining(Backend.auto());
        var stopped = new TinyTraining(Backend.auto());
        var resumed = new TinyTraining(Backend.auto())) {
      List<Float> expected = losses(whole, 0, TinyTraining.STEPS);
      Snapshot.save(file, stopped.trainer, losses(stopped, 0, STOP), "tiny");

      List<Float> came = Snapshot.restore(file, resumed.trainer, "tiny");
      assertEquals(expected.subList(0, STOP), came);
      assertEquals(STOP, resumed.trainer.steps());
      came.addAll(losses(resumed, STOP, TinyTraining.STEPS));
      assertEquals(expected, came);
      Map<String, Tensor> state = resumed.trainer.state();
      whole
          .trainer
          .state()
          .forEach((name, tensor) ->
              assertArrayEquals(bits(tensor), bits(Objects.requireNonNull(state.get(name))), name));
    }
  }

  @Test
  void refusesTheStateOfAnotherRecipe() throws IOException {
    Path file = folder.resolve("stopped.safetensors");
    try (var training = new TinyTraining(Backend.auto())) {
      Snapshot.save(file, training.trainer, losses(training, 0, 1), "tiny");
      var error =
          assertThrows(
              IllegalArgumentException.class,
              () -> Snapshot.restore(file, training.trainer, "other"));
      assertEquals(file + ": expected the state of other, came that of tiny", error.getMessage());
    }
  }

  private static List<Float> losses(TinyTraining training, int from, int to) {
    List<Float> losses = new ArrayList<>();
    for (int i = from; i < to; i++) {
      losses.add(training.step(i));
    }
    return losses;
  }

  private static int[] bits(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_INT_UNALIGNED);
  }
}
