package dev.borealis.testing;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineMode;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Every method in one shape. */
public final class Methods {
  private Methods() {}

  /**
   * Returns a specification of each method and of each activation.
   *
   * @param in d_in
   * @param out d_out
   * @param rank r
   * @param dropout whether all have both dropouts
   */
  public static List<AdapterSpec> all(int in, int out, int rank, boolean dropout) {
    List<AdapterSpec.Builder> builders = new ArrayList<>();
    builders.add(AdapterSpec.lora(in, out, rank));
    builders.add(AdapterSpec.lora(in, out, rank).downBias().upBias().gain().modulation());
    builders.add(AdapterSpec.mosLora(in, out, rank).modulation());
    for (SplineMode mode : SplineMode.values()) {
      builders.add(AdapterSpec.aurora(in, out, rank).spline(mode));
    }
    builders.add(AdapterSpec.aurora(in, out, rank).activation(Activation.SIGMOID).upBias());
    builders.add(
        AdapterSpec.aurora(in, out, rank).activation(Activation.LEAKY_RELU).terms(true, false));
    builders.add(AdapterSpec.aurora(in, out, rank).staticForm());
    builders.add(AdapterSpec.nora(in, out, rank).gain());
    builders.add(AdapterSpec.noraSwiGlu(in, out, rank).downBias());
    builders.add(AdapterSpec.noLora(in, out, rank));
    for (Activation activation : Activation.values()) {
      builders.add(AdapterSpec.noLora(in, out, rank, activation));
    }
    List<AdapterSpec> specs = new ArrayList<>();
    for (int i = 0; i < builders.size(); i++) {
      AdapterSpec.Builder builder = builders.get(i);
      if (dropout) {
        HiddenDropoutMode[] modes = HiddenDropoutMode.values();
        builder.inputDropout(0.3).hiddenDropout(0.2, modes[i % modes.length]);
      }
      specs.add(builder.alpha(2 * rank).build());
    }
    return specs;
  }

  /**
   * Returns random weights, such that Z and U are of order 1.
   *
   * @param spec the specification
   * @param seed of the numbers
   * @param arena owner of the memory
   */
  public static AdapterWeights weights(AdapterSpec spec, long seed, Arena arena) {
    SplittableRandom random = new SplittableRandom(seed);
    AdapterWeights weights = AdapterWeights.allocate(spec, arena);
    for (Parameter parameter : spec.parameters()) {
      double bound = parameter == Parameter.A ? 3 / Math.sqrt(spec.inFeatures()) : 1;
      fill(weights.get(parameter), random, bound);
    }
    return weights;
  }

  /**
   * Sets every element to a random number.
   *
   * @param tensor what to fill
   * @param random source of numbers
   * @param bound largest magnitude
   */
  public static Tensor fill(Tensor tensor, SplittableRandom random, double bound) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, (float) random.nextDouble(-bound, bound));
      }
    }
    return tensor;
  }
}
