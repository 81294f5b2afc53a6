package dev.borealis.adapter;

import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.DTypeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Map;

/**
 * Where {@link Adapter#backward} puts the gradients of the parameters: F32, same shapes as the
 * parameters. The memory is the caller's.
 */
public final class AdapterGradients extends ParameterTensors {
  /**
   * Wraps tensors.
   *
   * @param spec the adapter's specification
   * @param tensors exactly one F32 tensor for each of {@link AdapterSpec#parameters()}
   * @throws IllegalArgumentException if a tensor is missing, superfluous, of the wrong shape or
   *     type, read-only, or shares memory with another
   */
  public AdapterGradients(AdapterSpec spec, Map<Parameter, Tensor> tensors) {
    super(spec, tensors, "gradient of ");
    for (Parameter parameter : spec.parameters()) {
      String name = "gradient of " + parameter.tensorName();
      if (get(parameter).dtype() != DType.F32) {
        throw new DTypeMismatchException(name + ": expected F32, came " + get(parameter).dtype());
      }
      Checks.writable(name, get(parameter));
    }
    requireDisjoint("gradient of ");
  }

  /**
   * Allocates zeroed gradients.
   *
   * @param spec the adapter's specification
   * @param arena owner of the memory
   * @return what was allocated
   */
  public static AdapterGradients allocate(AdapterSpec spec, Arena arena) {
    return new AdapterGradients(spec, allocateAll(spec, arena));
  }

  /** Sets every gradient, on the host, to zero. */
  public void zero() {
    zero(DeviceStream.onHost());
  }

  /**
   * Queues setting every gradient to zero.
   *
   * @param stream that works where the gradients are
   */
  public void zero(DeviceStream stream) {
    for (Parameter parameter : parameters()) {
      stream.zero(get(parameter));
    }
  }
}
