package dev.borealis.backend;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.Linear;
import dev.borealis.adapter.Parameter;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A started backend: {@code scalar} (always works), {@code panama} (Vector API) or any other that
 * {@link ServiceLoader} finds. Started once per process, never stopped, safe for all threads.
 *
 * <p>System properties, read when a backend starts: {@code borealis.backend} (auto, or a name),
 * {@code borealis.threads}, {@code borealis.vectorBits}.
 */
public final class Backend {
  private static final System.Logger LOGGER = System.getLogger(Backend.class.getName());
  private static final String PROPERTY = "borealis.backend";
  private static final Map<String, Backend> STARTED = new ConcurrentHashMap<>();

  private final String name;
  private final BackendProvider.Engine engine;

  private Backend(String name, BackendProvider.Engine engine) {
    this.name = name;
    this.engine = engine;
  }

  /**
   * {@return the backend that {@code -Dborealis.backend} names, or the fastest that starts if it
   * names none or {@code auto}} What could not start is logged in one line with the reason.
   *
   * @throws BackendUnavailableException if a named backend can't start
   */
  public static Backend auto() {
    String wanted = System.getProperty(PROPERTY, "auto");
    return wanted.equals("auto") ? Fastest.BACKEND : require(wanted);
  }

  /** Chooses once, so that the log line appears once. */
  private static final class Fastest {
    static final Backend BACKEND = choose();

    private static Backend choose() {
      List<String> reasons = new ArrayList<>();
      List<BackendProvider> providers = providers();
      providers.sort(Comparator.comparingInt(BackendProvider::priority).reversed());
      for (BackendProvider provider : providers) {
        try {
          Backend backend = STARTED.computeIfAbsent(provider.name(), n -> start(provider));
          String skipped = reasons.isEmpty() ? "" : "; " + String.join("; ", reasons);
          LOGGER.log(
              reasons.isEmpty() ? System.Logger.Level.DEBUG : System.Logger.Level.INFO,
              "Borealis uses " + backend + skipped);
          return backend;
        } catch (BackendUnavailableException e) {
          reasons.add(e.getMessage());
        }
      }
      throw new BackendUnavailableException("no backend starts: " + String.join("; ", reasons));
    }
  }

  /**
   * {@return the backend with a name, never another}
   *
   * @param name scalar, panama, …
   * @throws BackendUnavailableException if there is none of that name, or it can't start; the
   *     message has the reason and the JVM flag that is missing, if one is
   */
  public static Backend require(String name) {
    Objects.requireNonNull(name, "name");
    Backend started = STARTED.get(name);
    if (started != null) {
      return started;
    }
    List<String> names = new ArrayList<>();
    for (BackendProvider provider : providers()) {
      if (provider.name().equals(name)) {
        return STARTED.computeIfAbsent(name, n -> start(provider));
      }
      names.add(provider.name());
    }
    throw new BackendUnavailableException(
        "backend " + name + ": expected one of " + names + " (-D" + PROPERTY + ")");
  }

  private static Backend start(BackendProvider provider) {
    return new Backend(provider.name(), provider.start());
  }

  private static List<BackendProvider> providers() {
    List<BackendProvider> providers = new ArrayList<>();
    ServiceLoader.load(BackendProvider.class, Backend.class.getClassLoader())
        .forEach(providers::add);
    return providers;
  }

  /** {@return the name} */
  public String name() {
    return name;
  }

  /** {@return what it works with} */
  public Capabilities capabilities() {
    return engine.capabilities();
  }

  /**
   * Packs weights and chooses kernels.
   *
   * @param weights live, on the host or at {@link #location()}, with no queued work left on them;
   *     stay the caller's, and are read again only by {@link Adapter#repack()}
   * @return a handle to close when done
   * @throws dev.borealis.adapter.UnsupportedSpecException if the backend does not cover the
   *     specification
   * @throws IllegalStateException if the weights' memory is closed or another thread's
   */
  public Adapter prepare(AdapterWeights weights) {
    Objects.requireNonNull(weights, "weights");
    for (Parameter parameter : weights.parameters()) {
      requireReadable(parameter.tensorName(), weights.get(parameter));
    }
    return new Adapter(weights, engine.prepare(weights));
  }

  /**
   * Packs a base layer {@code y = x W0ᵀ + b}.
   *
   * @param w0 [d_out, d_in], any dtype, on the host or at {@link #location()}; not read again
   * @param bias [d_out], or null
   * @return a handle to close when done
   * @throws ShapeMismatchException if a shape is wrong
   * @throws IllegalStateException if the memory is closed or another thread's
   */
  public Linear prepareLinear(Tensor w0, @Nullable Tensor bias) {
    Objects.requireNonNull(w0, "w0");
    if (w0.dimensions() != 2 || w0.rows() < 1 || w0.columns() < 1) {
      throw new ShapeMismatchException("w0: expected shape [d_out, d_in], came " + w0);
    }
    if (w0.rows() > Integer.MAX_VALUE || w0.columns() > Integer.MAX_VALUE) {
      throw new ShapeMismatchException("w0: expected dimensions below 2^31, came " + w0);
    }
    requireReadable("w0", w0);
    if (bias != null) {
      if (!bias.hasShape(w0.rows())) {
        throw new ShapeMismatchException("bias: expected shape [" + w0.rows() + "], came " + bias);
      }
      requireReadable("bias", bias);
    }
    return new Linear((int) w0.columns(), (int) w0.rows(), engine.prepareLinear(w0, bias));
  }

  /** Requires a tensor on the host or where this backend works. */
  private void requireReadable(String name, Tensor tensor) {
    Checks.accessible(name, tensor, tensor.location().isHost() ? Location.HOST : location());
  }

  /**
   * {@return where the tensors are of calls that are queued in a stream} Calls without a stream
   * take tensors on the host, on every backend.
   */
  public Location location() {
    return engine.location();
  }

  /** {@return a new stream of this backend, to be closed by the caller} */
  public DeviceStream stream() {
    return new DeviceStream(location(), engine.queue());
  }

  /**
   * Allocates a zeroed dense tensor at {@link #location()}.
   *
   * @param arena owner of the memory; to be closed when no queued work uses it
   * @param dtype element type
   * @param shape 1 to 3 dimensions
   * @return what was allocated
   * @throws ShapeMismatchException if the shape is illegal
   */
  public Tensor allocate(Arena arena, DType dtype, long... shape) {
    requireShape(shape);
    return engine.allocate(arena, dtype, shape);
  }

  /**
   * Allocates a zeroed dense tensor on the host, from and to which copies overlap with other work:
   * page-locked memory on a backend of a device.
   *
   * @param arena owner of the memory; to be closed when no queued work uses it
   * @param dtype element type
   * @param shape 1 to 3 dimensions
   * @return what was allocated
   * @throws ShapeMismatchException if the shape is illegal
   */
  public Tensor allocateStaging(Arena arena, DType dtype, long... shape) {
    requireShape(shape);
    return engine.allocateStaging(arena, dtype, shape);
  }

  private static void requireShape(long[] shape) {
    if (shape.length < 1 || shape.length > 3) {
      throw new ShapeMismatchException(
          "tensor: expected 1 to 3 dimensions, came " + Arrays.toString(shape));
    }
  }

  /**
   * Allocates zeroed F32 weights at {@link #location()}, to be copied to and trained there.
   *
   * @param spec the adapter's specification
   * @param arena owner of the memory
   * @return what was allocated
   */
  public AdapterWeights allocateWeights(AdapterSpec spec, Arena arena) {
    return new AdapterWeights(spec, allocateAll(spec, arena));
  }

  /**
   * Allocates zeroed gradients at {@link #location()}.
   *
   * @param spec the adapter's specification
   * @param arena owner of the memory
   * @return what was allocated
   */
  public AdapterGradients allocateGradients(AdapterSpec spec, Arena arena) {
    return new AdapterGradients(spec, allocateAll(spec, arena));
  }

  private Map<Parameter, Tensor> allocateAll(AdapterSpec spec, Arena arena) {
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      tensors.put(parameter, allocate(arena, DType.F32, spec.shape(parameter)));
    }
    return tensors;
  }

  /**
   * {@return the step of one tensor, queued in a stream, for AdamW}
   *
   * @param stream of this backend
   * @param beta1 decay of m
   * @param beta2 decay of v
   * @param epsilon ε
   * @throws IllegalArgumentException if the stream is of another device
   */
  public AdamWKernel adamWKernel(DeviceStream stream, double beta1, double beta2, double epsilon) {
    stream.requireAt(location());
    return engine.adamW(stream, beta1, beta2, epsilon);
  }

  /**
   * {@return merges of tensors on a device; {@code DeviceMerge} puts the checks in front}
   *
   * @param stream of this backend
   * @throws IllegalArgumentException if the stream is of another device
   * @throws UnsupportedOperationException if the backend has no merges
   */
  public MergeKernel mergeKernel(DeviceStream stream) {
    stream.requireAt(location());
    return engine.mergeKernel(stream);
  }

  /**
   * {@return what calls over several adapters need; {@code AdapterBatch} puts the checks in front}
   *
   * @param maxRows largest number of rows of a call, ≥ 0
   * @throws UnsupportedOperationException if the backend has no such calls
   */
  public BatchKernel batchKernel(int maxRows) {
    return engine.batchKernel(maxRows);
  }

  /**
   * {@return what calls over several adapters need that are queued in a stream; {@code
   * AdapterBatch} puts the checks in front}
   *
   * @param limits of the calls
   * @param stream of this backend
   * @param arena owner of the memory
   * @throws IllegalArgumentException if the stream is of another device
   * @throws UnsupportedOperationException if the backend has no such calls
   */
  public BatchKernel batchKernel(BatchLimits limits, DeviceStream stream, Arena arena) {
    stream.requireAt(location());
    return engine.batchKernel(limits, stream, arena);
  }

  @Override
  public String toString() {
    return name + " (" + capabilities().description() + ")";
  }
}
