package dev.borealis.cuda;

import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** An adapter on the device, for host tensors: copies in, the launches, copies out, one wait. */
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
    this.weights = new DeviceWeights(engine, weights);
    try {
      this.staticForm = spec.staticForm() ? new StaticForm(engine, spec, this.weights) : null;
    } catch (RuntimeException e) {
      this.weights.close();
      throw e;
    }
    this.forwardPass = new ForwardPass(spec, engine.fusedTokens());
    this.backwardPass = new BackwardPass(spec);
  }

  private Packed down() {
    return staticForm == null ? weights.down() : staticForm.packed();
  }

  @Override
  public Scratch allocate(int maxTokens, Mode mode, Arena arena) {
    return new CudaScratch(engine, spec, weights.columnPhi(), maxTokens, mode, arena);
  }

  @Override
  public void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch) {
    if (x.rows() == 0) {
      return;
    }
    CudaScratch s = (CudaScratch) scratch;
    s.x.upload(x);
    if (options.output() == Update.ACCUMULATE) {
      s.y.upload(y);
    }
    forwardPass.run(s.x.on(x.dtype()), s.y.on(y.dtype()), x.rows(), down(), weights, options, s);
    s.y.download(y);
    s.launches.stream().synchronize();
    s.y.finish(y);
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
    boolean any = x.rows() > 0;
    if (any) {
      s.y.upload(dY);
      if (gradients != null) {
        s.x.upload(x);
      }
      if (dX != null && options.input() == Update.ACCUMULATE) {
        s.dX.upload(dX);
      }
    }
    if (gradients != null && options.parameters() == Update.ACCUMULATE) {
      s.gradients.forEach((parameter, staging) -> staging.upload(gradients.get(parameter)));
    }
    backwardPass.run(
        s.x.on(x.dtype()),
        s.y.on(dY.dtype()),
        any && dX != null ? s.dX.on(dX.dtype()) : null,
        gradients == null ? null : s.gradients,
        x.rows(),
        down(),
        staticForm,
        weights,
        forward,
        options,
        s);
    if (any && dX != null) {
      s.dX.download(dX);
    }
    if (gradients != null) {
      s.gradients.forEach((parameter, staging) -> staging.download(gradients.get(parameter)));
    }
    s.launches.stream().synchronize();
    if (any && dX != null) {
      s.dX.finish(dX);
    }
    if (gradients != null) {
      for (Parameter parameter : spec.parameters()) {
        Staging staging = s.gradients.get(parameter);
        if (staging != null) {
          staging.finish(gradients.get(parameter));
        }
      }
    }
  }

  @Override
  public void repack(AdapterWeights changed) {
    weights.pack(changed);
    if (staticForm != null) {
      staticForm.compute(weights);
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
