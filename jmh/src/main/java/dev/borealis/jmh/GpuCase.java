package dev.borealis.jmh;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.cuda.CudaStreams;
import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.ComputeType;
import dev.borealis.ffm.Context;
import dev.borealis.ffm.Cublas;
import dev.borealis.ffm.CublasMatrix;
import dev.borealis.ffm.DataType;
import dev.borealis.ffm.Event;
import dev.borealis.ffm.Graph;
import dev.borealis.ffm.Stream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * One adapter with all its tensors on a device, and what its calls are compared with. Everything is
 * queued in one stream and timed by events there.
 */
final class GpuCase implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final AdapterSpec spec;
  private final int tokens;
  private final DType dtype;
  private final DeviceStream stream;
  private final Adapter adapter;
  private final Workspace inference;
  private final Workspace training;
  private final AdapterGradients gradients;
  private final Tensor x;
  private final Tensor y;
  private final Tensor dY;
  private final Tensor dX;
  // For cuBLAS: the weights in the type of X, and Z.
  private final Tensor a;
  private final Tensor b;
  private final Tensor z;
  private final Tensor copied;
  private final Tensor copy;
  private final Event start;
  private final Event end;
  private final @Nullable Cublas cublas;

  GpuCase(
      Backend backend,
      Method method,
      int rank,
      int tokens,
      int features,
      DType dtype,
      boolean withCublas) {
    this.spec = method.spec(features, rank);
    this.tokens = tokens;
    this.dtype = dtype;
    this.stream = backend.stream();
    Context context = CudaStreams.of(stream).context();
    this.start = Event.createTimed(context);
    this.end = Event.createTimed(context);
    this.cublas = withCublas ? Cublas.create(context) : null;
    if (cublas != null) {
      cublas.setStream(CudaStreams.of(stream));
    }
    Random random = new Random(42);
    try (Arena host = Arena.ofShared()) {
      AdapterWeights weights = AdapterWeights.initialise(spec, 42, host);
      // Papers start with B = 0; numbers as after some training keep every path busy.
      Tensor up = weights.get(Parameter.B);
      for (int i = 0; i < features; i++) {
        for (int j = 0; j < rank; j++) {
          up.set(i, j, (float) (random.nextGaussian() * 0.02));
        }
      }
      adapter = backend.prepare(weights);
    }
    inference = adapter.workspace(tokens, Mode.INFERENCE, stream, arena);
    training = adapter.workspace(tokens, Mode.TRAINING, stream, arena);
    gradients = backend.allocateGradients(spec, arena);
    x = random(backend, random, tokens, features);
    y = backend.allocate(arena, dtype, tokens, features);
    dY = random(backend, random, tokens, features);
    dX = backend.allocate(arena, dtype, tokens, features);
    a = random(backend, random, rank, features);
    b = random(backend, random, features, rank);
    z = backend.allocate(arena, dtype, tokens, rank);
    // A copy reads and writes: half of the larger floor.
    long half = Math.max(forwardFloor(), backwardFloor()) / 2;
    copied = backend.allocate(arena, DType.BF16, 1, half / 2);
    copy = backend.allocate(arena, DType.BF16, 1, half / 2);
    adapter.forward(x, y, training);
    stream.synchronize();
  }

  private Tensor random(Backend backend, Random random, int rows, int columns) {
    Tensor device = backend.allocate(arena, dtype, rows, columns);
    try (Arena host = Arena.ofShared()) {
      Tensor tensor = Tensor.allocate(host, dtype, rows, columns);
      for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
          tensor.set(row, column, 2 * random.nextFloat() - 1);
        }
      }
      stream.copy(tensor, device);
      stream.synchronize();
    }
    return device;
  }

  /** Bytes of X, and of Y read and written. */
  long forwardFloor() {
    return (long) tokens * (spec.inFeatures() + 2L * spec.outFeatures()) * dtype.byteSize();
  }

  /** Bytes of dY and X, and of dX read and written. */
  long backwardFloor() {
    return (long) tokens * (spec.outFeatures() + 3L * spec.inFeatures()) * dtype.byteSize();
  }

  /** Adds the branch to Y. */
  void forward() {
    adapter.forward(x, y, inference);
  }

  /** Adds to dX and to the gradients. */
  void backward() {
    adapter.backward(x, dY, dX, gradients, training);
  }

  /** Copies so much that as many bytes move. */
  void copy(long moved) {
    long elements = moved / 2 / DType.BF16.byteSize();
    stream.copy(copied.columnSlice(0, elements), copy.columnSlice(0, elements));
  }

  /**
   * What LoRA's forward is without us: Z = X Aᵀ and Y += Z Bᵀ. A row-major matrix is a transpose.
   */
  void cublas() {
    if (cublas == null) {
      throw new IllegalStateException("this case was made without cuBLAS");
    }
    DataType type = DataType.valueOf(dtype.name());
    int in = spec.inFeatures();
    int out = spec.outFeatures();
    int rank = spec.rank();
    cublas.gemm(
        rank,
        tokens,
        in,
        1,
        new CublasMatrix(a.deviceAddress(), type, in, true),
        new CublasMatrix(x.deviceAddress(), type, in, false),
        0,
        new CublasMatrix(z.deviceAddress(), type, rank, false),
        ComputeType.F32);
    cublas.gemm(
        out,
        tokens,
        rank,
        spec.scale(),
        new CublasMatrix(b.deviceAddress(), type, rank, true),
        new CublasMatrix(z.deviceAddress(), type, rank, false),
        1,
        new CublasMatrix(y.deviceAddress(), type, out, false),
        ComputeType.F32);
  }

  /** Records executions one after the other, so that only the device's work is timed. */
  Graph record(Runnable piece, int count) {
    return Graph.capture(
        CudaStreams.of(stream),
        () -> {
          for (int i = 0; i < count; i++) {
            piece.run();
          }
        });
  }

  /** Queues what was recorded. */
  void launch(Graph graph) {
    graph.launch(CudaStreams.of(stream));
  }

  /** Returns nanoseconds of one of several executions, by the device's clock. */
  double nanos(Runnable piece, int count) {
    Stream queue = CudaStreams.of(stream);
    start.record(queue);
    for (int i = 0; i < count; i++) {
      piece.run();
    }
    end.record(queue);
    end.synchronize();
    return end.millisecondsSince(start) * 1e6 / count;
  }

  @Override
  public void close() {
    stream.synchronize();
    if (cublas != null) {
      cublas.close();
    }
    end.close();
    start.close();
    adapter.close();
    arena.close();
    stream.close();
  }
}
