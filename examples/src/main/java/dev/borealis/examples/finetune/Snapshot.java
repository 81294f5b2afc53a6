package dev.borealis.examples.finetune;

import dev.borealis.io.SafeTensors;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A stopped training on disk: weights, moments and losses in one safetensors file, which appears at
 * once or not at all. Random numbers need no state: an epoch's order follows from its number.
 */
final class Snapshot {
  private static final String LOSSES = "losses";
  private static final String STEPS = "steps";
  private static final String RECIPE = "recipe";

  private Snapshot() {}

  /** Saves the state, with the losses of all steps so far, at least one. */
  static void save(Path file, Trainer trainer, List<Float> losses, String recipe)
      throws IOException {
    Files.createDirectories(file.toAbsolutePath().getParent());
    float[] values = new float[losses.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = losses.get(i);
    }
    SequencedMap<String, Tensor> tensors = trainer.state();
    tensors.put(LOSSES, Tensor.of(values, values.length));
    SafeTensors.write(file, Map.of(STEPS, Long.toString(trainer.steps()), RECIPE, recipe), tensors);
  }

  /**
   * Restores the state and returns the losses.
   *
   * @throws IllegalArgumentException if the file is of another recipe
   */
  static List<Float> restore(Path file, Trainer trainer, String recipe) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      SafeTensors saved = SafeTensors.open(file, arena);
      String itsRecipe = saved.metadata().getOrDefault(RECIPE, "none");
      if (!itsRecipe.equals(recipe)) {
        throw new IllegalArgumentException(
            "%s: expected the state of %s, came that of %s".formatted(file, recipe, itsRecipe));
      }
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      saved.names().forEach(name -> tensors.put(name, saved.tensor(name)));
      Tensor losses = tensors.remove(LOSSES);
      trainer.restore(tensors, Long.parseLong(saved.metadata().getOrDefault(STEPS, "0")));
      List<Float> values = new ArrayList<>();
      for (long i = 0; losses != null && i < losses.columns(); i++) {
        values.add(losses.get(0, i));
      }
      return values;
    }
  }
}
