package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * The numbers of an adapter, in memory of the caller's. A prepared {@link Adapter} works on a
 * packed copy: after a change call {@link #markChanged()} (AdamW does) and {@link
 * Adapter#repack()}.
 */
public final class AdapterWeights extends ParameterTensors {
  // Volatile: the optimiser's thread need not be the one that computes.
  private volatile long version;

  /**
   * Wraps tensors of any {@link dev.borealis.tensor.DType}.
   *
   * @param spec the adapter's specification
   * @param tensors exactly one tensor for each of {@link AdapterSpec#parameters()}
   * @throws IllegalArgumentException if a tensor is missing, superfluous or of the wrong shape
   */
  public AdapterWeights(AdapterSpec spec, Map<Parameter, Tensor> tensors) {
    super(spec, tensors, "");
  }

  /**
   * Allocates zeroed F32 weights.
   *
   * @param spec the adapter's specification
   * @param arena owner of the memory
   * @return what was allocated
   */
  public static AdapterWeights allocate(AdapterSpec spec, Arena arena) {
    return new AdapterWeights(spec, allocateAll(spec, arena));
  }

  /**
   * Allocates F32 weights with the initial values of the method's paper: B = 0, so that the adapter
   * changes nothing at first; A ~ U(±1/√d_in), for AuroRA N(0, 1/√d_in); H ~ N(0, 1/√r); spline
   * weights ~ U(±0.1); M = identity; v = β = g = 1; biases 0.
   *
   * @param spec the adapter's specification
   * @param seed of the random numbers; the same seed gives the same bits on every machine
   * @param arena owner of the memory
   * @return the weights
   */
  public static AdapterWeights initialise(AdapterSpec spec, long seed, Arena arena) {
    AdapterWeights weights = allocate(spec, arena);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    double bound = 1 / Math.sqrt(spec.inFeatures());
    boolean aurora = spec.nonlinearity() instanceof Nonlinearity.Aurora;
    for (Parameter parameter : spec.parameters()) {
      Tensor tensor = weights.get(parameter);
      for (long row = 0; row < tensor.rows(); row++) {
        for (long column = 0; column < tensor.columns(); column++) {
          double value =
              switch (parameter) {
                case A -> aurora ? random.nextGaussian() * bound : uniform(random, bound);
                case H -> random.nextGaussian() / Math.sqrt(spec.rank());
                case SPLINE -> uniform(random, 0.1);
                case MIXER -> row == column ? 1 : 0;
                case V, BETA, GAIN -> 1;
                case B, A_BIAS, B_BIAS -> 0;
              };
          tensor.set(row, column, (float) value);
        }
      }
    }
    return weights;
  }

  private static double uniform(RandomGenerator random, double bound) {
    return (random.nextDouble() * 2 - 1) * bound;
  }

  /**
   * Queues copies of another adapter's weights into these, and marks these as changed.
   *
   * @param source of the very same specification, and the same types
   * @param stream that reaches both
   * @throws IllegalArgumentException if the specifications differ, or a tensor is refused by {@link
   *     DeviceStream#copy}
   */
  public void copyFrom(AdapterWeights source, DeviceStream stream) {
    if (source.spec() != spec()) {
      throw new IllegalArgumentException(
          "source: expected weights of " + spec() + ", came those of " + source.spec());
    }
    for (Parameter parameter : parameters()) {
      stream.copy(source.get(parameter), get(parameter));
    }
    markChanged();
  }

  /**
   * Says that the numbers have changed: adapters prepared from them refuse calls until repacked.
   */
  @SuppressWarnings("NonAtomicVolatileUpdate") // one writer: whoever changes the weights
  public void markChanged() {
    version++;
  }

  /** {@return a number that {@link #markChanged()} raises} */
  public long version() {
    return version;
  }
}
