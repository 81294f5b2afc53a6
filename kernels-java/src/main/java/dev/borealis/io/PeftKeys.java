package dev.borealis.io;

import java.util.Set;

/**
 * Which keys of an adapter_config.json are read, which change nothing, and which would change what
 * the adapter computes in ways that aren't supported. Any other key is refused: what isn't
 * understood may change the numbers too.
 */
final class PeftKeys {
  /** Read by {@link PeftConfig} and {@link PeftOptions}. */
  private static final Set<String> READ =
      Set.of(
          "peft_type",
          "r",
          "lora_alpha",
          "use_rslora",
          "rank_pattern",
          "alpha_pattern",
          "lora_dropout",
          "lora_bias",
          "use_dora",
          "fan_in_fan_out",
          "bias",
          "init_lora_weights",
          "method",
          "activation",
          "fixed",
          "learnable",
          "spline_mode",
          "spline_order",
          "grid_size",
          "grid_min",
          "grid_max",
          "input_dropout",
          "hidden_dropout",
          "hidden_dropout_mode",
          "static_form",
          "modulation",
          "output_gain",
          "down_bias");

  /**
   * Names of the base model and of versions; where adapters sit, which the tensors' names say; how
   * adapters were initialised before training; and settings of options that are off.
   */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "task_type",
          "auto_mapping",
          "peft_version",
          "base_model_name_or_path",
          "revision",
          "inference_mode",
          "runtime_config",
          "target_modules",
          "exclude_modules",
          "layers_to_transform",
          "layers_pattern",
          "modules_to_save",
          "loftq_config",
          "eva_config",
          "corda_config",
          "lora_ga_config",
          "megatron_core",
          "qalora_group_size",
          "merge_weights");

  /** Legal only while off. */
  private static final Set<String> UNSUPPORTED =
      Set.of(
          "alora_invocation_tokens",
          "arrow_config",
          "enable_lora",
          "ensure_weight_tying",
          "kasa_config",
          "layer_replication",
          "megatron_config",
          "monteclora_config",
          "target_parameters",
          "trainable_token_indices",
          "use_bdlora",
          "use_qalora",
          "velora_config");

  /** Initialisations that leave the base model's weights alone. */
  private static final Set<Object> INITIALISATIONS =
      Set.of(true, false, "gaussian", "eva", "orthogonal", "mica");

  private PeftKeys() {}

  /**
   * Checks every key.
   *
   * @throws PeftException if one isn't understood, or asks for what isn't supported
   */
  static void check(PeftValues values) throws PeftException {
    for (String key : values.keys()) {
      if (READ.contains(key) || WITHOUT_EFFECT.contains(key)) {
        continue;
      }
      if (UNSUPPORTED.contains(key)) {
        if (!values.isOff(key)) {
          throw values.refuse(key, "expected it to be off, as it changes what adapters compute");
        }
      } else if (values.get(key) != null) {
        throw values.refuse(key, "expected a known key, or null, as it may change the numbers");
      }
    }
    Object initialisation = values.get("init_lora_weights");
    if (initialisation != null && !INITIALISATIONS.contains(initialisation)) {
      throw values.refuse(
          "init_lora_weights",
          "expected an initialisation that doesn't change the base model's weights");
    }
    if (!Set.of("none", "all", "lora_only").contains(values.text("bias", "none"))) {
      throw values.refuse("bias", "expected \"none\", \"all\" or \"lora_only\"");
    }
  }
}
