package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.MergeKernel;
import dev.borealis.backend.MergeMoments;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Merges on the device, by the formulas of the host's, in double there too. W0, ΔW and the samples
 * stay on the device; moments, [r_a, r_a + r] doubles, come to the host to be solved.
 */
final class CudaMerge implements MergeKernel {
  /** Samples that are held in double at a time. */
  private static final long BLOCK = 1024;

  private final CudaEngine engine;
  private final CudaQueue queue;

  CudaMerge(CudaEngine engine, CudaQueue queue) {
    this.engine = engine;
    this.queue = queue;
  }

  @Override
  public void delta(AdapterWeights weights, float scale, Tensor weight, @Nullable Tensor bias) {
    try (MergeMemory memory = new MergeMemory(engine, queue)) {
      AdapterSpec spec = weights.spec();
      DoubleMatrix up = up(weights, scale, optional(weights, Parameter.V, memory), memory);
      MergePhi phi = new MergePhi(weights, memory);
      DoubleMatrix a = memory.widen(weights.get(Parameter.A));
      memory.product(up, phiOfColumns(spec, phi, a, memory), null, weight.deviceAddress(), true);
      if (bias != null) {
        DoubleMatrix downBias = optional(weights, Parameter.A_BIAS, memory);
        DoubleMatrix hidden =
            downBias == null
                ? memory.upload(new double[spec.rank()], spec.rank(), 1)
                : phiOfColumns(spec, phi, downBias.transposed(), memory);
        addBias(up, hidden, weights, bias, memory);
      }
      queue.synchronize();
    }
  }

  /** φ of the columns of a matrix [r_a, columns]: [r, columns]. */
  private static DoubleMatrix phiOfColumns(
      AdapterSpec spec, MergePhi phi, DoubleMatrix matrix, MergeMemory memory) {
    if (spec.nonlinearity() instanceof Nonlinearity.Pointwise(Activation f)
        && f == Activation.IDENTITY) {
      return matrix;
    }
    DoubleMatrix result = memory.allocate(spec.rank(), matrix.columns());
    memory.phi(phi, matrix.transposed(), null, result.transposed());
    return result;
  }

  /** s·g ⊙ B (⊙ v) [d_out, r]. */
  private static DoubleMatrix up(
      AdapterWeights weights, float scale, @Nullable DoubleMatrix v, MergeMemory memory) {
    Tensor b = weights.get(Parameter.B);
    DoubleMatrix up = memory.allocate(b.rows(), b.columns());
    memory.widen(b, scale, optional(weights, Parameter.GAIN, memory), v, up, 0);
    return up;
  }

  private static @Nullable DoubleMatrix optional(
      AdapterWeights weights, Parameter parameter, MergeMemory memory) {
    return weights.parameters().contains(parameter) ? memory.widen(weights.get(parameter)) : null;
  }

  /** bias = up · hidden [r, 1] + b. */
  private static void addBias(
      DoubleMatrix up,
      DoubleMatrix hidden,
      AdapterWeights weights,
      Tensor bias,
      MergeMemory memory) {
    DoubleMatrix b = optional(weights, Parameter.B_BIAS, memory);
    DoubleMatrix addend = b == null ? null : b.transposed();
    memory.product(up, hidden, addend, bias.deviceAddress(), true);
  }

  @Override
  public MergeMoments moments(AdapterWeights weights, Tensor samples, boolean centred) {
    try (MergeMemory memory = new MergeMemory(engine, queue)) {
      AdapterSpec spec = weights.spec();
      long n = samples.rows();
      DoubleMatrix z = z(weights, samples, memory);
      DoubleMatrix u = memory.allocate(n, spec.rank());
      DoubleMatrix v = optional(weights, Parameter.V, memory);
      memory.phi(new MergePhi(weights, memory), z, v, u);
      double[] zMean = new double[spec.downRank()];
      double[] uMean = new double[spec.rank()];
      if (centred) {
        zMean = memory.download(memory.centre(z));
        uMean = memory.download(memory.centre(u));
      }
      return new MergeMoments(
          zMean,
          uMean,
          memory.download(memory.product(z.transposed(), z, null)),
          memory.download(memory.product(z.transposed(), u, null)));
    }
  }

  /** X Aᵀ + a [n, r_a], from finite samples. */
  private DoubleMatrix z(AdapterWeights weights, Tensor samples, MergeMemory memory) {
    long n = samples.rows();
    DoubleMatrix a = memory.widen(weights.get(Parameter.A));
    DoubleMatrix downBias = optional(weights, Parameter.A_BIAS, memory);
    DoubleMatrix z = memory.allocate(n, a.rows());
    DoubleMatrix x = memory.allocate(Math.min(BLOCK, n), a.columns());
    long notFinite = memory.allocate(n * Integer.BYTES);
    for (long first = 0; first < n; first += BLOCK) {
      long rows = Math.min(BLOCK, n - first);
      Tensor block = samples.rowSlice(first, first + rows);
      DoubleMatrix wide = x.rows(0, rows);
      memory.widen(block, 1, null, null, wide, notFinite + first * Integer.BYTES);
      DoubleMatrix addend = downBias == null ? null : downBias.repeated(rows);
      memory.product(wide, a.transposed(), addend, z.rows(first, rows).address(), false);
    }
    requireFinite(samples, memory.download(notFinite, n, JAVA_INT));
    return z;
  }

  private void requireFinite(Tensor samples, MemorySegment firsts) {
    for (long row = 0; row < samples.rows(); row++) {
      int column = firsts.getAtIndex(JAVA_INT, row);
      if (column < samples.columns()) {
        try (Arena arena = Arena.ofConfined()) {
          Tensor number = Tensor.allocate(arena, samples.dtype(), 1, 1);
          queue.copy(samples.rowSlice(row, row + 1).columnSlice(column, column + 1), number);
          queue.synchronize();
          throw new IllegalArgumentException(
              "samples: expected finite numbers, came " + number.get(0, 0) + " in row " + row);
        }
      }
    }
  }

  @Override
  public void fold(
      AdapterWeights weights,
      float scale,
      double[] mixerT,
      double[] constant,
      Tensor weight,
      @Nullable Tensor bias) {
    try (MergeMemory memory = new MergeMemory(engine, queue)) {
      AdapterSpec spec = weights.spec();
      DoubleMatrix mixer = memory.upload(mixerT, spec.downRank(), spec.rank()).transposed();
      DoubleMatrix up = up(weights, scale, null, memory);
      DoubleMatrix core = memory.product(mixer, memory.widen(weights.get(Parameter.A)), null);
      memory.product(up, core, null, weight.deviceAddress(), true);
      if (bias != null) {
        DoubleMatrix hidden = memory.upload(constant, spec.rank(), 1);
        DoubleMatrix downBias = optional(weights, Parameter.A_BIAS, memory);
        if (downBias != null) {
          hidden = memory.product(mixer, downBias.transposed(), hidden);
        }
        addBias(up, hidden, weights, bias, memory);
      }
      queue.synchronize();
    }
  }

  @Override
  public void add(Tensor delta, Tensor to) {
    try (MergeMemory memory = new MergeMemory(engine, queue)) {
      memory.add(delta, to);
      queue.synchronize();
    }
  }

  @Override
  public long[] fingerprint(Tensor tensor) {
    try (MergeMemory memory = new MergeMemory(engine, queue)) {
      return memory
          .download(memory.fingerprint(tensor), tensor.rows(), JAVA_LONG)
          .toArray(JAVA_LONG);
    }
  }
}
