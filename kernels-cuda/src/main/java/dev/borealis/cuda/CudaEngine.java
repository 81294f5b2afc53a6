package dev.borealis.cuda;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.Capabilities;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.FunctionAttribute;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The started backend: one device's context, the module with the kernels, and a stream for packing.
 */
final class CudaEngine implements BackendProvider.Engine {
  /** From this many tokens on, one launch does all for r ≤ 16: its blocks fill a device then. */
  static final int FUSED_TOKENS = 2048;

  // φ's backward at the largest rank; every device that the module is built for has it.
  private static final int PHI_SHARED_BYTES = 72 * 1024;

  private static final int WARP = 32;

  private final Context context;
  private final CudaModule module;
  private final Stream stream;
  private final int fusedTokens;

  CudaEngine(Context context, byte[] image, int fusedTokens) {
    this.context = context;
    this.module = CudaModule.load(context, image);
    this.stream = Stream.create(context);
    this.fusedTokens = fusedTokens;
    module
        .function(Kernel.PHI_BACKWARD.symbol(DType.F32))
        .setAttribute(FunctionAttribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, PHI_SHARED_BYTES);
  }

  Context context() {
    return context;
  }

  CudaModule module() {
    return module;
  }

  Stream stream() {
    return stream;
  }

  int fusedTokens() {
    return fusedTokens;
  }

  @Override
  public Capabilities capabilities() {
    Device device = context.device();
    int capability = device.computeCapability();
    return new Capabilities(
        WARP * Float.SIZE, 1, device.name() + ", compute capability " + capability);
  }

  @Override
  public AdapterKernel prepare(AdapterWeights weights) {
    return new CudaAdapter(this, weights);
  }

  @Override
  public LinearKernel prepareLinear(Tensor w0, @Nullable Tensor bias) {
    return new CudaLinear(this, w0, bias);
  }
}
