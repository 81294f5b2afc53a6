package dev.borealis.serving;

import dev.borealis.adapter.AdapterWeights;
import dev.borealis.io.PeftCheckpoint;
import dev.borealis.io.PeftException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** Where an {@link AdapterRegistry} gets an adapter's weights from. */
@FunctionalInterface
public interface AdapterLoader {
  /**
   * Loads the weights of all modules, that is linear layers, of one adapter.
   *
   * @param arena owner of memory for them; closed when they have been packed
   * @return weights by module path
   * @throws IOException if they can't be read
   */
  Map<String, AdapterWeights> load(Arena arena) throws IOException;

  /**
   * {@return a loader of a PEFT directory; see {@link PeftCheckpoint}} It throws a {@link
   * PeftException} if the checkpoint has tensors beside its adapters, and an {@link
   * IllegalArgumentException} if it is DoRA, whose gain needs the base layer.
   *
   * @param directory holds adapter_config.json and adapter_model.safetensors; read at every load
   */
  static AdapterLoader peft(Path directory) {
    return arena -> {
      PeftCheckpoint checkpoint = PeftCheckpoint.open(directory, arena);
      if (!checkpoint.extraTensors().isEmpty()) {
        throw new PeftException(
            directory
                + ": expected adapters alone, came tensors of the base model: "
                + checkpoint.extraTensors(),
            null);
      }
      SequencedMap<String, AdapterWeights> modules = new LinkedHashMap<>();
      for (String module : checkpoint.modules()) {
        modules.put(module, checkpoint.weights(module, arena));
      }
      return modules;
    };
  }
}
