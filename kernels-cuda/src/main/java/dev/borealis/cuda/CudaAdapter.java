package dev.borealis.cuda;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Update;
import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * An adapter on the device. With a workspace for a stream a call is its launches and nothing else;
 * with another one it takes host tensors: copies in, the launches, copies out, one wait.
 */
final class CudaAdapter implements AdapterKernel {
  private final CudaEngine engine;
  private final AdapterSpec spec;
  private final DeviceWeights weights;
  private final @Nullable StaticForm staticForm;
  private final ForwardPass forwardPass;
  private final BackwardPass backwardPass;

  CudaAdapter(CudaEngine engine, AdapterWeights weights) {
    this.engine = engine;
    this.spec = weights.spec();
    try (CudaQueue queue = new CudaQueue(engine)) {
      this.weights = new DeviceWeights(engine, weights, queue);
      try {
        this.staticForm =
            spec.staticForm() ? new StaticForm(engine, spec, this.weights, queue) : null;
        queue.synchronize();
      } catch (RuntimeException e) {
        this.weights.close();
        throw e;
      }
    }
    this.forwardPass =
        new ForwardPass(spec, engine.settings().fusedTokens(), engine.decodeTokens());
    this.backwardPass = new BackwardPass(spec);
  }

  boolean isOf(CudaEngine other) {
    return engine == other;
  }

  AdapterSpec spec() {
    return spec;
  }

  PhiWeights callPhi() {
    return weights.callPhi();
  }

  /** Writes a call of some rows as inference, but for the shares of Z. */
  void begin(
      ForwardArguments forward, DeviceMatrix x, DeviceMatrix y, long n, float scale, long u) {
    forward.begin(x, y, n, down(), weights, scale, true, u);
  }

  private Packed down() {
    return staticForm == null ? weights.down() : staticForm.packed();
  }

  @Override
  public Location location() {
    return engine.location();
  }

  @Override
  public Scratch allocate(int maxTokens, Mode mode, Arena arena) {
    return new CudaScratch(engine, spec, weights.columnPhi(), maxTokens, mode, null, arena);
  }

  @Override
  public Scratch allocate(int maxTokens, Mode mode, DeviceStream stream, Arena arena) {
    return new CudaScratch(
        engine, spec, weights.columnPhi(), maxTokens, mode, CudaQueue.of(stream), arena);
  }

  @Override
  public void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch) {
    if (x.rows() == 0) {
      return;
    }
    CudaScratch s = (CudaScratch) scratch;
    HostTensors host = s.host;
    if (host == null) {
      forward(DeviceMatrix.of(x), DeviceMatrix.of(y), x.rows(), options, s);
      return;
    }
    host.x.upload(x);
    if (options.output() == Update.ACCUMULATE) {
      host.y.upload(y);
    }
    forward(host.x.on(x.dtype()), host.y.on(y.dtype()), x.rows(), options, s);
    host.y.download(y);
    s.launches.stream().synchronize();
    host.y.finish(y);
  }

  private void forward(
      DeviceMatrix x, DeviceMatrix y, long n, CallOptions options, CudaScratch scratch) {
    forwardPass.run(x, y, n, down(), weights, options, scratch);
  }

  @Override
  public void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      CallOptions forward,
      GradientOptions options,
      Scratch scratch) {
    CudaScratch s = (CudaScratch) scratch;
    HostTensors host = s.host;
    if (host != null) {
      backward(host, x, dY, dX, gradients, forward, options, s);
      return;
    }
    backward(
        DeviceMatrix.of(x),
        DeviceMatrix.of(dY),
        dX == null || x.rows() == 0 ? null : DeviceMatrix.of(dX),
        gradients == null ? null : p -> gradients.get(p).deviceAddress(),
        x.rows(),
        forward,
        options,
        s);
  }

  private void backward(
      DeviceMatrix x,
      DeviceMatrix dY,
      @Nullable DeviceMatrix dX,
      BackwardPass.@Nullable GradientAddresses gradients,
      long n,
      CallOptions forward,
      GradientOptions options,
      CudaScratch scratch) {
    backwardPass.run(
        x, dY, dX, gradients, n, down(), staticForm, weights, forward, options, scratch);
  }

  /** With host tensors: copies in, the launches, copies out, one wait. */
  private void backward(
      HostTensors host,
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      CallOptions forward,
      GradientOptions options,
      CudaScratch scratch) {
    boolean any = x.rows() > 0;
    if (any) {
      host.y.upload(dY);
      if (gradients != null) {
        host.x.upload(x);
      }
      if (dX != null && options.input() == Update.ACCUMULATE) {
        host.dX.upload(dX);
      }
    }
    if (gradients != null && options.parameters() == Update.ACCUMULATE) {
      host.gradients.forEach((parameter, staging) -> staging.upload(gradients.get(parameter)));
    }
    backward(
        host.x.on(x.dtype()),
        host.y.on(dY.dtype()),
        any && dX != null ? host.dX.on(dX.dtype()) : null,
        gradients == null ? null : p -> host.gradient(p).on(DType.F32).address(),
        x.rows(),
        forward,
        options,
        scratch);
    if (any && dX != null) {
      host.dX.download(dX);
    }
    if (gradients != null) {
      host.gradients.forEach((parameter, staging) -> staging.download(gradients.get(parameter)));
    }
    scratch.launches.stream().synchronize();
    if (any && dX != null) {
      host.dX.finish(dX);
    }
    if (gradients != null) {
      host.gradients.forEach((parameter, staging) -> staging.finish(gradients.get(parameter)));
    }
  }

  @Override
  public void repack(AdapterWeights changed) {
    try (CudaQueue queue = new CudaQueue(engine)) {
      repack(changed, queue);
    }
  }

  @Override
  public void repack(AdapterWeights changed, DeviceStream stream) {
    repack(changed, CudaQueue.of(stream));
  }

  private void repack(AdapterWeights changed, CudaQueue queue) {
    weights.pack(changed, queue);
    if (staticForm != null) {
      staticForm.compute(weights, queue);
    }
  }

  @Override
  public void close() {
    if (staticForm != null) {
      staticForm.close();
    }
    weights.close();
  }
}
