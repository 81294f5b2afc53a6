package dev.borealis.cuda;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.backend.AdamWKernel;
import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.Capabilities;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.FunctionAttribute;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The started backend: one device's context, and the module with the kernels. */
final class CudaEngine implements BackendProvider.Engine {
  /** From this many tokens on, one launch does all for r ≤ 16: its blocks fill a device then. */
  static final int FUSED_TOKENS = 2048;

  // φ's backward at the largest rank; every device that the module is built for has it.
  private static final int PHI_SHARED_BYTES = 72 * 1024;

  private static final int WARP = 32;

  private final Context context;
  private final CudaModule module;
  private final Location location;
  private final int fusedTokens;

  CudaEngine(Context context, byte[] image, int fusedTokens) {
    this.context = context;
    this.module = CudaModule.load(context, image);
    this.location = Location.cuda(context.device().ordinal());
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
  public Location location() {
    return location;
  }

  @Override
  public Tensor allocate(Arena arena, DType dtype, long... shape) {
    long bytes = Tensor.byteSize(dtype, shape);
    MemorySegment memory = DeviceMemory.device(context, bytes, arena);
    Tensor tensor = Tensor.onDevice(location, memory, dtype, shape);
    try (CudaQueue queue = new CudaQueue(this)) {
      queue.zero(tensor);
    }
    return tensor;
  }

  @Override
  public Tensor allocateStaging(Arena arena, DType dtype, long... shape) {
    long bytes = Tensor.byteSize(dtype, shape);
    return Tensor.of(DeviceMemory.pinned(context, bytes, arena), dtype, shape);
  }

  @Override
  public DeviceStream.Queue queue() {
    return new CudaQueue(this);
  }

  @Override
  public AdamWKernel adamW(DeviceStream stream, double beta1, double beta2, double epsilon) {
    return new CudaAdamW(CudaQueue.of(stream), beta1, beta2, epsilon);
  }

  @Override
  public AdapterKernel prepare(AdapterWeights weights) {
    return new CudaAdapter(this, weights);
  }

  @Override
  public LinearKernel prepareLinear(Tensor w0, @Nullable Tensor bias) {
    return new CudaLinear(this, w0, bias);
  }

  @Override
  public BatchKernel batchKernel(int maxRows) {
    throw new UnsupportedOperationException(
        "backend cuda: expected a batch with a stream, for tensors on the device, came one for"
            + " tensors on the host");
  }

  @Override
  public BatchKernel batchKernel(BatchLimits limits, DeviceStream stream, Arena arena) {
    return new CudaBatch(this, limits, CudaQueue.of(stream), arena);
  }
}
