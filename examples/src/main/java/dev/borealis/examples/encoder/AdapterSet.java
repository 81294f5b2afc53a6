package dev.borealis.examples.encoder;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.examples.minilm.LinearWeights;
import dev.borealis.examples.minilm.MiniLmWeights;
import dev.borealis.examples.minilm.Site;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Adapters of one kind at some projections of every layer. One call at a time. */
public final class AdapterSet implements AutoCloseable {
  /** Where the AuroRA and LoRA papers attach adapters in an encoder. */
  private static final Set<Site> SITES = Set.of(Site.QUERY, Site.VALUE);

  private final List<Map<Site, AttachedAdapter>> layers = new ArrayList<>();
  private final List<AttachedAdapter> all = new ArrayList<>();

  /** Specifies an adapter for a linear layer. */
  @FunctionalInterface
  public interface Specification {
    /**
     * Specifies one adapter.
     *
     * @param in width of the layer's input
     * @param out width of its output
     * @return what the adapter computes
     */
    AdapterSpec of(int in, int out);
  }

  /**
   * Prepares adapters at query and value with their method's initial weights, B = 0.
   *
   * @param method which adapter
   * @param model the model they are for
   * @param maxTokens most tokens of a call
   * @param backend computes them
   * @param arena owner of weights, gradients and workspaces; shared, so that all threads help
   */
  public AdapterSet(
      Method method, MiniLmWeights model, int maxTokens, Backend backend, Arena arena) {
    this(method::spec, SITES, 0, model, maxTokens, backend, arena);
  }

  /**
   * Prepares the adapters with their method's initial weights, B = 0.
   *
   * @param specification which adapter
   * @param targets where it is attached, in every layer
   * @param firstSeed of the first adapter's initial weights; each further one takes the next
   * @param model the model they are for
   * @param maxTokens most tokens of a call
   * @param backend computes them
   * @param arena owner of weights, gradients and workspaces; shared, so that all threads help
   */
  public AdapterSet(
      Specification specification,
      Set<Site> targets,
      long firstSeed,
      MiniLmWeights model,
      int maxTokens,
      Backend backend,
      Arena arena) {
    for (int layer = 0; layer < model.layers().size(); layer++) {
      Map<Site, AttachedAdapter> sites = new EnumMap<>(Site.class);
      for (Site site : Site.values()) {
        if (targets.contains(site)) {
          LinearWeights base = model.layers().get(layer).at(site);
          AttachedAdapter adapter =
              AttachedAdapter.initialise(
                  "encoder.layer." + layer + "." + site.path(),
                  specification.of(base.in(), base.out()),
                  firstSeed + all.size(),
                  maxTokens,
                  backend,
                  arena);
          sites.put(site, adapter);
          all.add(adapter);
        }
      }
      layers.add(sites);
    }
  }

  /**
   * The adapter of one projection.
   *
   * @param layer index of the encoder layer
   * @param site where in the layer
   * @return the adapter, or null if there is none
   */
  public @Nullable AttachedAdapter at(int layer, Site site) {
    return layers.get(layer).get(site);
  }

  /**
   * All adapters, from the lowest layer up.
   *
   * @return in the order of layers and sites
   */
  public List<AttachedAdapter> all() {
    return all;
  }

  /**
   * Number of weights of all adapters.
   *
   * @return what training may change
   */
  public long parameters() {
    long count = 0;
    for (AttachedAdapter attached : all) {
      for (Parameter parameter : attached.weights().parameters()) {
        Tensor tensor = attached.weights().get(parameter);
        count += tensor.rows() * tensor.columns();
      }
    }
    return count;
  }

  /**
   * Fills every B with normal random numbers, as if something had been learnt.
   *
   * @param deviation their standard deviation; 0 makes the adapters as new
   */
  public void randomiseUpProjections(double deviation) {
    Random random = new Random(1);
    for (AttachedAdapter attached : all) {
      Tensor b = attached.weights().get(Parameter.B);
      for (long row = 0; row < b.rows(); row++) {
        for (long column = 0; column < b.columns(); column++) {
          b.set(row, column, (float) (deviation * random.nextGaussian()));
        }
      }
      attached.weights().markChanged();
    }
    repack();
  }

  /** Makes changed weights take effect. */
  public void repack() {
    for (AttachedAdapter attached : all) {
      attached.adapter().repack();
    }
  }

  /**
   * Lengths of the last gradients, over all adapters.
   *
   * @return the Euclidean norm by parameter
   */
  public Map<Parameter, Double> gradientNorms() {
    Map<Parameter, Double> norms = new EnumMap<>(Parameter.class);
    for (AttachedAdapter attached : all) {
      for (Parameter parameter : attached.gradients().parameters()) {
        norms.merge(parameter, squares(attached.gradients().get(parameter)), Double::sum);
      }
    }
    norms.replaceAll((parameter, squares) -> Math.sqrt(squares));
    return norms;
  }

  private static double squares(Tensor tensor) {
    double sum = 0;
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        double value = tensor.get(row, column);
        sum += value * value;
      }
    }
    return sum;
  }

  @Override
  public void close() {
    all.forEach(AttachedAdapter::close);
  }
}
