package dev.borealis.backend;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;

/** Specifications and weights drawn at random: every method and option, odd shapes. */
final class RandomAdapters {
  private static final int[] LARGE_RANKS = {33, 64, 100};
  private static final Activation[] AURORA = {
    Activation.TANH, Activation.LEAKY_RELU, Activation.SIGMOID
  };

  private RandomAdapters() {}

  static <T> T choose(SplittableRandom random, T[] values) {
    return values[random.nextInt(values.length)];
  }

  /** Draws d_in or d_out: small ones more often, for time's sake. */
  static int features(SplittableRandom random) {
    return random.nextInt(1, random.nextInt(3) == 0 ? 301 : 50);
  }

  /** Draws a specification; the case's number walks through the methods. */
  static AdapterSpec spec(SplittableRandom random, int number) {
    int in = features(random);
    int out = features(random);
    int rank =
        random.nextInt(8) == 0
            ? LARGE_RANKS[random.nextInt(LARGE_RANKS.length)]
            : random.nextInt(1, 25);
    Nonlinearity nonlinearity = nonlinearity(random, number);
    AdapterSpec.Builder builder =
        AdapterSpec.lora(in, out, rank)
            .nonlinearity(nonlinearity)
            .scale(random.nextDouble(0.5, 2) * (random.nextBoolean() ? 1 : -1));
    boolean fixed = nonlinearity instanceof Nonlinearity.Aurora && random.nextInt(4) == 0;
    if (fixed) {
      builder.staticForm();
    } else if (random.nextInt(4) == 0) {
      builder.downBias();
    }
    if (random.nextInt(3) == 0) {
      builder.modulation();
    }
    if (random.nextInt(4) == 0) {
      builder.gain();
    }
    if (random.nextInt(4) == 0) {
      builder.upBias();
    }
    if (random.nextInt(3) == 0) {
      builder.inputDropout(random.nextDouble(0.01, 0.6));
    }
    if (random.nextInt(3) == 0) {
      builder.hiddenDropout(
          random.nextDouble(0.01, 0.6), choose(random, HiddenDropoutMode.values()));
    }
    return builder.build();
  }

  private static Nonlinearity nonlinearity(SplittableRandom random, int number) {
    return switch (number % 8) {
      case 0 -> new Nonlinearity.Pointwise(Activation.IDENTITY);
      case 1 -> new Nonlinearity.Mixer();
      case 2 -> new Nonlinearity.Pointwise(Activation.SILU);
      case 3 -> new Nonlinearity.SwiGlu();
      case 4 -> new Nonlinearity.Swish();
      case 5 -> new Nonlinearity.Pointwise(choose(random, Activation.values()));
      case 6 ->
          new Nonlinearity.Aurora(Activation.TANH, true, true, SplineMode.SUM, SplineGrid.DEFAULT);
      default -> {
        int terms = random.nextInt(1, 4);
        double min = random.nextDouble(-3, -0.5);
        SplineGrid grid =
            random.nextBoolean()
                ? SplineGrid.DEFAULT
                : new SplineGrid(random.nextInt(1, 17), min, min + random.nextDouble(1, 5));
        yield new Nonlinearity.Aurora(
            choose(random, AURORA),
            (terms & 1) != 0,
            (terms & 2) != 0,
            choose(random, SplineMode.values()),
            grid);
      }
    };
  }

  /** Draws weights of mixed types in awkward memory, such that Z, U and Y are of order 1. */
  static AdapterWeights weights(SplittableRandom random, AdapterSpec spec, Arena arena) {
    double zBound = (random.nextInt(4) == 0 ? 8 : 3) / Math.sqrt(spec.inFeatures());
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      double bound =
          switch (parameter) {
            case A -> zBound;
            case B, H, MIXER -> 2 / Math.sqrt(spec.rank());
            case SPLINE -> spline(spec) == SplineMode.CHANNEL ? 1 : 1 / Math.sqrt(spec.rank());
            case A_BIAS, B_BIAS, V, BETA, GAIN -> 1.5;
          };
      tensors.put(
          parameter,
          TestTensor.allocate(random, arena, choose(random, DType.values()), spec.shape(parameter))
              .randomise(random, bound)
              .tensor);
    }
    return new AdapterWeights(spec, tensors);
  }

  private static SplineMode spline(AdapterSpec spec) {
    return spec.nonlinearity() instanceof Nonlinearity.Aurora a ? a.mode() : SplineMode.SUM;
  }

  /** Draws a number of tokens, small enough for the specification's cost. */
  static int tokens(SplittableRandom random, AdapterSpec spec) {
    int[] edges = {0, 1, 2, 3, 5, 8, 16, 17, 31, 64, 65, 130};
    int tokens =
        random.nextBoolean() ? edges[random.nextInt(edges.length)] : random.nextInt(0, 131);
    return spec.rank() > 24 ? tokens % 33 : tokens;
  }
}
