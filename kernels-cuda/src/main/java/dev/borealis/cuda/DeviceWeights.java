package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
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
  private final long bytes;

  private final long down;
  private final long up;
  private final long upPlain;
  private final long matrixTransposed;
  private final Map<Parameter, Long> offsets = new EnumMap<>(Parameter.class);

  // What the last packing found.
  private boolean downLow;
  private boolean upLow;

  DeviceWeights(CudaEngine engine, AdapterWeights weights) {
    this.engine = engine;
    this.spec = weights.spec();
    Carver carver = new Carver();
    down = carver.floats(Packed.floats(spec.downRank(), spec.inFeatures()));
    up = carver.floats(Packed.floats(spec.rank(), spec.outFeatures()));
    boolean gain = spec.parameters().contains(Parameter.GAIN);
    upPlain = gain ? carver.floats(Packed.floats(spec.rank(), spec.outFeatures())) : up;
    matrixTransposed = carver.floats(matrix() == null ? 0 : (long) spec.rank() * spec.rank());
    for (Parameter parameter : spec.parameters()) {
      if (parameter != Parameter.A && parameter != Parameter.B) {
        offsets.put(parameter, carver.floats(elements(spec.shape(parameter))));
      }
    }
    bytes = carver.bytes();
    buffer = DeviceBuffer.allocate(engine.context(), bytes);
    try {
      pack(weights);
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
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

  /** Copies weights to the device; waits for it. */
  void pack(AdapterWeights weights) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(bytes, 256);
      Tensor a = weights.get(Parameter.A);
      Tensor b = weights.get(Parameter.B);
      Tensor gain = offsets.containsKey(Parameter.GAIN) ? weights.get(Parameter.GAIN) : null;
      long ldA = Packed.ld(spec.inFeatures());
      long ldB = Packed.ld(spec.outFeatures());
      downLow = false;
      upLow = false;
      for (long row = 0; row < a.rows(); row++) {
        for (long column = 0; column < a.columns(); column++) {
          downLow |= put(host, down, row * ldA + column, a.get(row, column));
        }
      }
      for (long row = 0; row < b.rows(); row++) {
        float g = gain == null ? 1 : gain.get(0, row);
        for (long column = 0; column < b.columns(); column++) {
          float value = b.get(row, column);
          upLow |= put(host, up, column * ldB + row, g * value);
          if (gain != null) {
            put(host, upPlain, column * ldB + row, value);
          }
        }
      }
      offsets.forEach((parameter, offset) -> copy(weights.get(parameter), host, offset));
      Parameter matrix = matrix();
      if (matrix != null) {
        Tensor m = weights.get(matrix);
        for (long row = 0; row < m.rows(); row++) {
          for (long column = 0; column < m.columns(); column++) {
            put(host, matrixTransposed, column * m.rows() + row, m.get(row, column));
          }
        }
      }
      buffer.copyFrom(host, engine.stream());
      engine.stream().synchronize();
    }
  }

  /** Returns whether the value is none of tf32. */
  private static boolean put(MemorySegment host, long offset, long index, float value) {
    host.set(JAVA_FLOAT, offset + index * 4, value);
    return (Float.floatToRawIntBits(value) & 0x1fff) != 0;
  }

  private static void copy(Tensor tensor, MemorySegment host, long offset) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        put(host, offset, row * tensor.columns() + column, tensor.get(row, column));
      }
    }
  }

  /** A as the products take it. */
  Packed down() {
    return new Packed(buffer.address() + down, spec.downRank(), spec.inFeatures(), downLow);
  }

  /** g ⊙ B, transposed, as the products take it. */
  Packed up() {
    return new Packed(buffer.address() + up, spec.rank(), spec.outFeatures(), upLow);
  }

  /** B, transposed. */
  Packed upPlain() {
    return new Packed(buffer.address() + upPlain, spec.rank(), spec.outFeatures(), upLow);
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
