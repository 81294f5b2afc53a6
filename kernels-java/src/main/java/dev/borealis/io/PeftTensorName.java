package dev.borealis.io;

import dev.borealis.adapter.Parameter;
import dev.borealis.internal.json.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A tensor's name in a PEFT checkpoint, taken apart.
 *
 * @param module the module's path in the base model
 * @param parameter what the tensor is to the adapter; null for DoRA's magnitude
 */
record PeftTensorName(String module, @Nullable Parameter parameter) {
  /** What PEFT puts before every path: its two wrappers of the base model. */
  static final String PREFIX = "base_model.model.";

  private static final String MAGNITUDE = "lora_magnitude_vector";
  private static final Map<String, Parameter> ENDINGS = new LinkedHashMap<>();

  static {
    for (Parameter parameter : Parameter.values()) {
      ENDINGS.put("." + parameter.tensorName(), parameter);
    }
    // Names of a public AuroRA re-implementation.
    ENDINGS.put(".weight_a", Parameter.A);
    ENDINGS.put(".weight_b", Parameter.B);
    ENDINGS.put(".weight_ab_mixer", Parameter.H);
    ENDINGS.put(".weight_a_spline", Parameter.SPLINE);
  }

  /**
   * Takes a name apart.
   *
   * @param name the name in the file
   * @param source the file, for messages
   * @param type which method the checkpoint holds: the re-implementation has one name for AuroRA's
   *     H and MoSLoRA's M
   * @return null if the tensor isn't an adapter's
   * @throws PeftException if it is, but of a kind that isn't supported
   */
  static @Nullable PeftTensorName parse(String name, String source, PeftOptions.Type type)
      throws PeftException {
    String path = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
    for (String ending : new String[] {"." + MAGNITUDE, "." + MAGNITUDE + ".weight"}) {
      if (path.endsWith(ending)) {
        return new PeftTensorName(path.substring(0, path.length() - ending.length()), null);
      }
    }
    for (Map.Entry<String, Parameter> entry : ENDINGS.entrySet()) {
      String ending = entry.getKey();
      if (path.endsWith(ending)) {
        Parameter parameter = entry.getValue();
        if (ending.equals(".weight_ab_mixer") && type == PeftOptions.Type.MOSLORA) {
          parameter = Parameter.MIXER;
        }
        return new PeftTensorName(path.substring(0, path.length() - ending.length()), parameter);
      }
    }
    String[] segments = path.split("\\.", -1);
    for (int i = Math.max(0, segments.length - 3); i < segments.length; i++) {
      if (segments[i].startsWith("lora_")) {
        throw new PeftException(
            source
                + ": tensor "
                + Json.quoteStart(name)
                + ": expected adapter tensors of linear layers (lora_A.weight, lora_B.weight, ...),"
                + " came one of another kind",
            null);
      }
    }
    return null;
  }
}
