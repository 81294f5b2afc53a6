package dev.borealis.merge;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.UnsupportedSpecException;
import dev.borealis.backend.Backend;
import dev.borealis.backend.MergeKernel;
import dev.borealis.backend.MergeMoments;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The merges of {@link Merge} for tensors where a stream works: weights, samples, W0 and results
 * are there. Same formulas, same errors, in double and rounded once; a sum may be taken in another
 * order. On a backend of the host the same tensors as {@code Merge} takes.
 *
 * <p>A merge is queued behind the stream's work and waited for. For one thread at a time, as the
 * stream is; so is a {@link MergedLayer} made here, which needs the stream open.
 */
public final class DeviceMerge {
  private final DeviceStream stream;
  private final MergeKernel kernel;
  private final Allocator allocator;

  /** Where results go. */
  private interface Allocator {
    Tensor allocate(Arena arena, DType dtype, long... shape);
  }

  /**
   * Prepares merges.
   *
   * @param backend whose device it is
   * @param stream made by the backend; used by every merge
   * @throws IllegalArgumentException if the stream is of another device
   * @throws UnsupportedOperationException if the backend of a device has no merges
   */
  public DeviceMerge(Backend backend, DeviceStream stream) {
    this(
        stream,
        stream.location().isHost() && backend.location().isHost()
            ? new HostMerge()
            : backend.mergeKernel(stream),
        backend::allocate);
  }

  private DeviceMerge(DeviceStream stream, MergeKernel kernel, Allocator allocator) {
    this.stream = stream;
    this.kernel = kernel;
    this.allocator = allocator;
  }

  static DeviceMerge onHost() {
    return new DeviceMerge(DeviceStream.onHost(), new HostMerge(), Tensor::allocate);
  }

  /**
   * {@return the exact merge, as {@link Merge#delta(AdapterWeights, float, Arena)}}
   *
   * @param weights of the adapter
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the adapter has no exact merge
   * @throws IllegalArgumentException if a tensor is elsewhere, or the scale is not finite
   * @throws IllegalStateException if memory is closed or another thread's, or the stream is closed
   */
  public MergeDelta delta(AdapterWeights weights, float scale, Arena arena) {
    requireExact(weights.spec());
    return folded(weights, scale, arena);
  }

  /**
   * {@return AuroRA's static merge, as {@link Merge#staticDelta(AdapterWeights, float, Arena)}}
   *
   * @param weights of an AuroRA adapter
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the method is another, or the down-projection has a bias
   * @throws IllegalArgumentException if a tensor is elsewhere, or the scale is not finite
   * @throws IllegalStateException if memory is closed or another thread's, or the stream is closed
   */
  public MergeDelta staticDelta(AdapterWeights weights, float scale, Arena arena) {
    requireStatic(weights.spec());
    return folded(weights, scale, arena);
  }

  private MergeDelta folded(AdapterWeights weights, float scale, Arena arena) {
    requireFinite(weights.spec(), scale);
    requireAccessible(weights);
    MergeDelta delta = allocate(weights.spec(), hasBias(weights), arena);
    kernel.delta(weights, scale, delta.weight(), delta.bias());
    return delta;
  }

  /**
   * {@return the merge that is nearest to the adapter on sample activations, as {@link
   * Merge#calibratedDelta(AdapterWeights, Tensor, Calibration, float, Arena)}} The fit itself, a
   * Cholesky factorisation of [r_a, r_a], is done on the host.
   *
   * @param weights of the adapter
   * @param samples X [n, d_in], n ≥ 1, any dtype and row stride
   * @param calibration whether an intercept is fitted
   * @param scale s, finite
   * @param arena owner of the result
   * @throws UnsupportedSpecException if the adapter is in static form
   * @throws IllegalArgumentException if a tensor is elsewhere, the samples' shape is wrong, or a
   *     number in them or the scale is not finite
   * @throws IllegalStateException if memory is closed or another thread's, or the stream is closed
   */
  public MergeDelta calibratedDelta(
      AdapterWeights weights, Tensor samples, Calibration calibration, float scale, Arena arena) {
    AdapterSpec spec = weights.spec();
    requireDynamic(spec);
    requireFinite(spec, scale);
    Samples.requireLegal(samples, spec.inFeatures(), stream.location());
    requireAccessible(weights);
    boolean affine = calibration == Calibration.AFFINE;
    MergeMoments moments = kernel.moments(weights, samples, affine);
    int rank = spec.rank();
    double[] mixerT = LeastSquares.solve(moments.gram(), spec.downRank(), moments.cross(), rank);
    // u = M (z − z̄) + ū: centring leaves to M what varies, and to the intercept the means.
    double[] intercept = moments.uMean();
    for (int i = 0; i < mixerT.length; i++) {
      intercept[i % rank] -= mixerT[i] * moments.zMean()[i / rank];
    }
    MergeDelta delta = allocate(spec, affine || hasBias(weights), arena);
    kernel.fold(weights, scale, mixerT, intercept, delta.weight(), delta.bias());
    return delta;
  }

  private MergeDelta allocate(AdapterSpec spec, boolean bias, Arena arena) {
    return new MergeDelta(
        allocator.allocate(arena, DType.F32, spec.outFeatures(), spec.inFeatures()),
        bias ? allocator.allocate(arena, DType.F32, spec.outFeatures()) : null);
  }

  /**
   * Adds a merge to a layer's weights and bias, as {@link Merge#apply(MergeDelta, Tensor, Tensor,
   * Arena)}.
   *
   * @param delta of any merge
   * @param w0 [d_out, d_in], F32, BF16 or F16; overwritten by {@code W0 + ΔW}, rounded once
   * @param bias [d_out], any dtype; overwritten by {@code b0 + Δb}, or untouched if the delta has
   *     none. Null only then
   * @param arena owner of a copy of w0 and bias, for {@link MergedLayer#unmerge}
   * @return the merged layer, which can undo it
   * @throws IllegalArgumentException if a tensor's shape or memory is wrong or elsewhere, or the
   *     delta has a bias and the layer none
   * @throws IllegalStateException if memory is closed or another thread's, or the stream is closed;
   *     nothing has changed then
   */
  public MergedLayer apply(MergeDelta delta, Tensor w0, @Nullable Tensor bias, Arena arena) {
    requireDelta(delta, w0.rows(), w0.columns(), stream.location());
    requireTarget("w0", w0, delta);
    Tensor biasDelta = delta.bias();
    if (biasDelta == null) {
      return new MergedLayer(List.of(saved("w0", w0, delta.weight(), arena)));
    }
    if (bias == null) {
      throw new IllegalArgumentException(
          "bias: expected the layer's, since the delta has a bias, came null");
    }
    if (!bias.hasShape(w0.rows())) {
      throw new ShapeMismatchException("bias: expected shape [" + w0.rows() + "], came " + bias);
    }
    requireTarget("bias", bias, delta);
    Checks.disjoint("bias", bias, "w0", w0);
    return new MergedLayer(
        List.of(saved("w0", w0, delta.weight(), arena), saved("bias", bias, biasDelta, arena)));
  }

  private SavedTensor saved(String name, Tensor tensor, Tensor delta, Arena arena) {
    Tensor copy = allocator.allocate(arena, tensor.dtype(), tensor.shape());
    return new SavedTensor(name, tensor, delta, copy, kernel, stream);
  }

  private void requireTarget(String name, Tensor target, MergeDelta delta) {
    Checks.accessible(name, target, stream.location());
    Checks.writable(name, target);
    Checks.disjoint(name, target, "the delta", delta.weight());
    Tensor bias = delta.bias();
    if (bias != null) {
      Checks.disjoint(name, target, "the delta's bias", bias);
    }
  }

  static void requireDelta(MergeDelta delta, long outFeatures, long inFeatures, Location location) {
    Checks.matrix("delta", delta.weight(), outFeatures, inFeatures, location);
    Tensor bias = delta.bias();
    if (bias != null) {
      if (!bias.hasShape(outFeatures)) {
        throw new ShapeMismatchException(
            "delta's bias: expected shape [" + outFeatures + "], came " + bias);
      }
      Checks.accessible("delta's bias", bias, location);
    }
  }

  private void requireAccessible(AdapterWeights weights) {
    stream.requireAt(stream.location());
    requireAccessible(weights, stream.location());
  }

  static void requireAccessible(AdapterWeights weights, Location location) {
    for (Parameter parameter : weights.parameters()) {
      Checks.accessible(parameter.tensorName(), weights.get(parameter), location);
    }
  }

  private static void requireFinite(AdapterSpec spec, float scale) {
    CallOptions.of(spec).withScale(scale);
  }

  private static boolean hasBias(AdapterWeights weights) {
    return weights.parameters().contains(Parameter.A_BIAS)
        || weights.parameters().contains(Parameter.B_BIAS);
  }

  private static void requireExact(AdapterSpec spec) {
    if (!spec.staticForm() && !isLinear(spec.nonlinearity())) {
      String others = isAurora(spec) ? "staticDelta or calibratedDelta" : "calibratedDelta";
      throw new UnsupportedSpecException(
          method(spec)
              + ": expected a linear or static adapter for an exact merge, came "
              + spec
              + "; an approximation is "
              + others);
    }
  }

  private static void requireStatic(AdapterSpec spec) {
    if (!isAurora(spec)) {
      throw new UnsupportedSpecException(
          method(spec)
              + ": expected AuroRA for a static merge, came "
              + spec
              + "; it has "
              + (isLinear(spec.nonlinearity()) ? "delta" : "calibratedDelta"));
    }
    if (spec.parameters().contains(Parameter.A_BIAS)) {
      throw new UnsupportedSpecException(
          "AuroRA: expected no bias on the down-projection for a static merge, came one");
    }
  }

  private static void requireDynamic(AdapterSpec spec) {
    if (spec.staticForm()) {
      throw new UnsupportedSpecException(
          "AuroRA-S: expected an adapter that needs a calibrated merge, came "
              + spec
              + " in static form, whose delta is exact");
    }
  }

  private static boolean isLinear(Nonlinearity nonlinearity) {
    return switch (nonlinearity) {
      case Nonlinearity.Mixer m -> true;
      case Nonlinearity.Pointwise(Activation f) -> f == Activation.IDENTITY;
      case Nonlinearity.Swish s -> false;
      case Nonlinearity.SwiGlu g -> false;
      case Nonlinearity.Aurora a -> false;
    };
  }

  private static boolean isAurora(AdapterSpec spec) {
    return spec.nonlinearity() instanceof Nonlinearity.Aurora;
  }

  /** The method's name, for messages. */
  private static String method(AdapterSpec spec) {
    boolean modulated = spec.parameters().contains(Parameter.V);
    return switch (spec.nonlinearity()) {
      case Nonlinearity.Pointwise(Activation f) when modulated -> "NoLoRA with " + f;
      case Nonlinearity.Pointwise(Activation f) when f == Activation.IDENTITY -> "LoRA";
      case Nonlinearity.Pointwise(Activation f) when f == Activation.SILU -> "NoRA";
      case Nonlinearity.Pointwise(Activation f) -> "adapter with " + f;
      case Nonlinearity.Swish s -> "NoLoRA with Swish";
      case Nonlinearity.SwiGlu s -> "NoRA with SwiGLU";
      case Nonlinearity.Mixer m -> "MoSLoRA";
      case Nonlinearity.Aurora a -> "AuroRA";
    };
  }
}
