package dev.borealis.io;

import dev.borealis.adapter.AdapterSpec;

/** An adapter_config.json, understood. */
final class PeftConfig {
  /** PEFT's defaults. */
  private static final int DEFAULT_RANK = 8;

  private static final double DEFAULT_ALPHA = 8;

  private final PeftOptions options;
  private final int rank;
  private final double alpha;
  private final boolean rankStabilised;
  private final PeftPattern<Integer> ranks;
  private final PeftPattern<Double> alphas;
  private final boolean dora;
  private final boolean fanInFanOut;

  /**
   * Parses and checks a config.
   *
   * @param json the file's bytes
   * @param source the file's name, for messages
   * @throws PeftException if it is malformed, or has a key or value that isn't supported
   */
  PeftConfig(byte[] json, String source) throws PeftException {
    PeftValues values = new PeftValues(json, source);
    options = PeftOptions.read(values);
    PeftKeys.check(values);
    rank = values.integer("r", DEFAULT_RANK);
    alpha = values.number("lora_alpha", DEFAULT_ALPHA);
    rankStabilised = values.bool("use_rslora", false);
    ranks = new PeftPattern<>(source, "rank_pattern", values.integers("rank_pattern"));
    alphas = new PeftPattern<>(source, "alpha_pattern", values.numbers("alpha_pattern"));
    dora = values.bool("use_dora", false);
    fanInFanOut = values.bool("fan_in_fan_out", false);
    if (dora && (options.type() != PeftOptions.Type.LORA || options.upBias())) {
      throw values.refuse("use_dora", "expected false unless peft_type is LORA without lora_bias");
    }
  }

  PeftOptions options() {
    return options;
  }

  boolean dora() {
    return dora;
  }

  boolean fanInFanOut() {
    return fanInFanOut;
  }

  /** {@return the rank that rank_pattern gives a module, or else r} */
  int rank(String module) throws PeftException {
    return ranks.get(module, rank);
  }

  /**
   * {@return a module's specification}
   *
   * @throws IllegalArgumentException if its rank or scale isn't one that adapters have
   */
  AdapterSpec spec(String module, int inFeatures, int outFeatures) throws PeftException {
    AdapterSpec.Builder builder = options.spec(inFeatures, outFeatures, rank(module), dora);
    builder.alpha(alphas.get(module, alpha));
    return (rankStabilised ? builder.rankStabilised() : builder).build();
  }
}
