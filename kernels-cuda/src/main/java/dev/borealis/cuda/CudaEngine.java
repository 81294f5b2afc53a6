package dev.borealis.cuda;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.LinearKernel;
import dev.borealis.backend.AdamWKernel;
import dev.borealis.backend.BackendProvider;
import dev.borealis.backend.Capabilities;
import dev.borealis.backend.MergeKernel;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Cublas;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.FunctionAttribute;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The started backend: one device's context, and the module with the kernels. */
final class CudaEngine implements BackendProvider.Engine {
  private static final System.Logger LOGGER = System.getLogger(CudaEngine.class.getName());

  /** From this many tokens on, one launch does all for r ≤ 16: its blocks fill a device then. */
  static final int FUSED_TOKENS = 2048;

  /** From this many tokens on cuBLAS does the products of BF16 tensors, where it can. */
  static final int PART_TOKENS = 128;

  /** Shared memory that every device the module is built for has for a block. */
  static final int MOST_SHARED_BYTES = 99 * 1024;

  private static final int WARP = 32;
  private static final int HOPPER = 90;

  /** Each token's cluster reads all weights: few tokens, or others of them share a read. */
  static final int DECODE_TOKENS = 4;

  private final Context context;
  private final CudaModule module;
  private final Location location;
  private final Settings settings;
  private final boolean cublas;

  /** The queue of calls with host tensors that have no workspace, one at a time. */
  private final Object hostLock = new Object();

  private @Nullable CudaQueue hostQueue;

  /**
   * What may be chosen.
   *
   * @param fusedTokens from which one launch does a forward call of r ≤ 16
   * @param partTokens from which cuBLAS does the products of BF16 tensors, for r ≤ 128
   * @param cublas whether it may be used at all
   */
  record Settings(int fusedTokens, int partTokens, boolean cublas) {}

  CudaEngine(Context context, byte[] image, Settings settings) {
    this.cublas = settings.cublas() && hasCublas();
    this.context = context;
    this.module = CudaModule.load(context, image);
    this.location = Location.cuda(context.device().ordinal());
    this.settings = settings;
    for (Kernel kernel : Kernel.values()) {
      for (DType type : DType.values()) {
        module
            .function(kernel.symbol(type))
            .setAttribute(FunctionAttribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, MOST_SHARED_BYTES);
      }
    }
  }

  private static boolean hasCublas() {
    Optional<String> reason = Cublas.unavailable();
    reason.ifPresent(text ->
        LOGGER.log(
            System.Logger.Level.INFO,
            "Borealis: ranks above 128 and base layers use its own products, not cuBLAS's: "
                + text));
    return reason.isEmpty();
  }

  boolean usesCublas() {
    return cublas;
  }

  /** Products by cuBLAS in a stream; null where there is none, or it is not to be used. */
  @Nullable Gemm gemm(Stream stream) {
    return cublas ? new Gemm(context, stream) : null;
  }

  /** Runs a call with host tensors in a queue that all such calls share. */
  void inHostQueue(Consumer<CudaQueue> call) {
    synchronized (hostLock) {
      if (hostQueue == null) {
        hostQueue = CudaQueue.withGemm(this);
      }
      call.accept(hostQueue);
    }
  }

  Context context() {
    return context;
  }

  CudaModule module() {
    return module;
  }

  /**
   * Whether a launch may begin while the one before it still runs, and blocks may form clusters.
   */
  static boolean isHopperOrLater(Device device) {
    return device.computeCapability() >= HOPPER;
  }

  /** Tokens up to which one launch does a forward call; 0 where blocks can't form clusters. */
  int decodeTokens() {
    return isHopperOrLater(context.device()) ? DECODE_TOKENS : 0;
  }

  Settings settings() {
    return settings;
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
    return CudaQueue.withGemm(this);
  }

  @Override
  public AdamWKernel adamW(DeviceStream stream, double beta1, double beta2, double epsilon) {
    return new CudaAdamW(CudaQueue.of(stream), beta1, beta2, epsilon);
  }

  @Override
  public MergeKernel mergeKernel(DeviceStream stream) {
    return new CudaMerge(this, CudaQueue.of(stream));
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
