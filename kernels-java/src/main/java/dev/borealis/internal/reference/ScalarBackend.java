package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.Capabilities;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The backend that always starts: plain Java, one thread, double precision, results rounded once.
 * Slow, and covers everything that an {@link dev.borealis.adapter.AdapterSpec} can say.
 */
public final class ScalarBackend implements BackendProvider {
  /** For {@link java.util.ServiceLoader}. */
  public ScalarBackend() {}

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public int priority() {
    return 0;
  }

  @Override
  public Engine start() {
    return new ScalarEngine();
  }

  private static final class ScalarEngine implements Engine {
    @Override
    public Capabilities capabilities() {
      return new Capabilities(0, 1, "plain Java in double precision, one thread");
    }

    @Override
    public AdapterKernel prepare(AdapterWeights weights) {
      return new ScalarAdapter(weights);
    }

    @Override
    public LinearKernel prepareLinear(Tensor w0, @Nullable Tensor bias) {
      return new ScalarLinear(w0, bias);
    }

    @Override
    public BatchKernel batchKernel(int maxRows) {
      return new ScalarBatch();
    }
  }
}
