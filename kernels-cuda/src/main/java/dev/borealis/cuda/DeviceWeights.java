package dev.borealis.cuda;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An adapter's weights in device memory, F32: A [r_a, d_in], and B transposed [r, d_out] with the
 * gain g in it, both padded as the products take them; the rest dense.
 *
 * <p>In the static form the product takes φ(A) in A's place, computed on the device by {@link
 * StaticForm}.
 */
final class DeviceWeights implements AutoCloseable {
  private final AdapterSpec spec;
  private final CudaEngine engine;
  private final DeviceBuffer buffer;

  private final long down;
  private final long up;
  private final long upPlain;
  private final long matrixTransposed;

  // As BF16 parts, for cuBLAS; -1 without it.
  private final long downParts;
  private final long upParts;

  private final Map<Parameter, Long> offsets = new EnumMap<>(Parameter.class);

  /** A [r_a, d_in] and B [d_out, r] of 16 bits as they are, dense, for cuBLAS. */
  private final Map<Parameter, DeviceMatrix> typed = new EnumMap<>(Parameter.class);

  // What the last packing found.
  private DType downType = DType.F32;
  private DType upType = DType.F32;

  DeviceWeights(CudaEngine engine, AdapterWeights weights, CudaQueue queue) {
    this.engine = engine;
    this.spec = weights.spec();
    Carver carver = new Carver();
    down = carver.floats(Packed.floats(spec.downRank(), spec.inFeatures()));
    up = carver.floats(Packed.floats(spec.rank(), spec.outFeatures()));
    boolean gain = spec.parameters().contains(Parameter.GAIN);
    upPlain = gain ? carver.floats(Packed.floats(spec.rank(), spec.outFeatures())) : up;
    downParts =
        engine.usesCublas() && !spec.staticForm()
            ? parts(spec.downRank(), spec.inFeatures(), carver)
            : -1;
    upParts = engine.usesCublas() ? parts(spec.rank(), spec.outFeatures(), carver) : -1;
    matrixTransposed = carver.floats(matrix() == null ? 0 : (long) spec.rank() * spec.rank());
    for (Parameter parameter : spec.parameters()) {
      if (parameter != Parameter.A && parameter != Parameter.B) {
        offsets.put(parameter, carver.floats(elements(spec.shape(parameter))));
      }
    }
    Map<Parameter, Long> typedOffsets = new EnumMap<>(Parameter.class);
    for (Parameter parameter : forCublas()) {
      if (weights.get(parameter).dtype() != DType.F32) {
        typedOffsets.put(parameter, carver.take(2 * elements(spec.shape(parameter))));
      }
    }
    buffer = DeviceBuffer.allocate(engine.context(), carver.bytes());
    typedOffsets.forEach((parameter, offset) -> {
      Tensor tensor = weights.get(parameter);
      long address = buffer.address() + offset;
      typed.put(parameter, new DeviceMatrix(address, tensor.columns(), tensor.dtype()));
    });
    try {
      // Packing writes no padding: it is zero from here on.
      buffer.fill(0, carver.bytes(), (byte) 0, queue.stream());
      pack(weights, queue);
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
  }

  private static long parts(int rows, int columns, Carver carver) {
    return carver.take(2 * PartProducts.WEIGHT_PARTS * Packed.floats(rows, columns));
  }

  /** What cuBLAS multiplies with tensors of its own type: not φ(A), and not g ⊙ B. */
  private Set<Parameter> forCublas() {
    Set<Parameter> parameters = EnumSet.noneOf(Parameter.class);
    if (engine.usesCublas() && spec.rank() > CudaScratch.CUBLAS_RANK) {
      if (!spec.staticForm()) {
        parameters.add(Parameter.A);
      }
      if (!spec.parameters().contains(Parameter.GAIN)) {
        parameters.add(Parameter.B);
      }
    }
    return parameters;
  }

  private static long elements(long[] shape) {
    long elements = 1;
    for (long dimension : shape) {
      elements *= dimension;
    }
    return elements;
  }

  /** H or M, or null. */
  private @Nullable Parameter matrix() {
    return spec.parameters().contains(Parameter.H)
        ? Parameter.H
        : spec.parameters().contains(Parameter.MIXER) ? Parameter.MIXER : null;
  }

  /** Queues the packing of weights. Waits if some of them are on the host. */
  void pack(AdapterWeights weights, CudaQueue queue) {
    try (WeightUpload upload = new WeightUpload(engine, weights, queue)) {
      // The gain first: it goes into B.
      offsets.forEach((parameter, offset) -> {
        Tensor tensor = weights.get(parameter);
        pack(upload.on(parameter), tensor, 0, offset, tensor.columns(), -1, false, queue);
      });
      Parameter matrix = matrix();
      if (matrix != null) {
        Tensor m = weights.get(matrix);
        pack(upload.on(matrix), m, 0, matrixTransposed, m.rows(), -1, true, queue);
      }
      Tensor a = weights.get(Parameter.A);
      Tensor b = weights.get(Parameter.B);
      long gain = address(Parameter.GAIN);
      long ldB = Packed.ld(spec.outFeatures());
      long ldA = Packed.ld(spec.inFeatures());
      pack(upload.on(Parameter.A), a, 0, down, ldA, downParts, false, queue);
      pack(upload.on(Parameter.B), b, gain, up, ldB, upParts, true, queue);
      if (gain != 0) {
        pack(upload.on(Parameter.B), b, 0, upPlain, ldB, -1, true, queue);
      }
      typed.forEach(
          (parameter, to) -> copy(upload.on(parameter), weights.get(parameter).rows(), to, queue));
      // A product of two 16-bit numbers need not be one of tf32.
      downType = a.dtype();
      upType = gain == 0 ? b.dtype() : DType.F32;
    }
  }

  private void pack(
      DeviceMatrix in,
      Tensor tensor,
      long gain,
      long offset,
      long ldOut,
      long parts,
      boolean transposed,
      CudaQueue queue) {
    long ranks = transposed ? tensor.columns() : tensor.rows();
    queue
        .arguments()
        .pack
        .run(
            in,
            tensor.rows(),
            tensor.columns(),
            gain,
            buffer.address() + offset,
            ldOut,
            at(parts),
            Packed.round(ranks, Packed.ROW_TILE) * ldOut,
            transposed,
            queue.launches());
  }

  /** Queues copies of rows of 16-bit elements into dense ones. */
  private void copy(DeviceMatrix from, long rows, DeviceMatrix to, CudaQueue queue) {
    long rowBytes = 2 * to.ld();
    boolean dense = from.ld() == to.ld();
    long bytes = dense ? rows * rowBytes : rowBytes;
    for (long row = 0; row < (dense ? 1 : rows); row++) {
      DeviceBuffer.borrow(engine.context(), to.address() + row * rowBytes, bytes)
          .copyFrom(
              0,
              DeviceBuffer.borrow(engine.context(), from.address() + 2 * row * from.ld(), bytes),
              0,
              bytes,
              queue.stream());
    }
  }

  /**
   * A or B as cuBLAS multiplies it with tensors of a 16-bit type; null if it can't, or is not to.
   */
  @Nullable DeviceMatrix typed(Parameter parameter, DType type) {
    DeviceMatrix matrix = typed.get(parameter);
    return matrix != null && matrix.type() == type ? matrix : null;
  }

  private long at(long offset) {
    return offset < 0 ? 0 : buffer.address() + offset;
  }

  /** A as the products take it. */
  Packed down() {
    return packed(down, spec.downRank(), spec.inFeatures(), downType, downParts);
  }

  /** g ⊙ B, transposed, as the products take it. */
  Packed up() {
    return packed(up, spec.rank(), spec.outFeatures(), upType, upParts);
  }

  /** B, transposed. */
  Packed upPlain() {
    return packed(upPlain, spec.rank(), spec.outFeatures(), upType, -1);
  }

  private Packed packed(long offset, int rows, int columns, DType type, long parts) {
    // tf32 holds every F16, BF16 does not.
    boolean low = type == DType.F32;
    long partsAt = type == DType.F16 ? 0 : at(parts);
    return new Packed(buffer.address() + offset, rows, columns, low, partsAt);
  }

  /** Returns where a parameter lies, dense; 0 if the adapter has none. */
  long address(Parameter parameter) {
    Long offset = offsets.get(parameter);
    return offset == null ? 0 : buffer.address() + offset;
  }

  /** φ of a call: in the static form it is in the down-projection already. */
  PhiWeights callPhi() {
    return spec.staticForm()
        ? new PhiWeights(
            new Nonlinearity.Pointwise(Activation.IDENTITY),
            spec.rank(),
            spec.rank(),
            0,
            0,
            0,
            0,
            address(Parameter.V))
        : phi(address(Parameter.V));
  }

  /** φ of the specification, with no modulation: that of the static form. */
  PhiWeights columnPhi() {
    return phi(0);
  }

  private PhiWeights phi(long v) {
    Parameter matrix = matrix();
    return new PhiWeights(
        spec.nonlinearity(),
        spec.rank(),
        spec.downRank(),
        matrix == null ? 0 : address(matrix),
        matrix == null ? 0 : buffer.address() + matrixTransposed,
        address(Parameter.SPLINE),
        address(Parameter.BETA),
        v);
  }

  @Override
  public void close() {
    buffer.close();
  }
}
