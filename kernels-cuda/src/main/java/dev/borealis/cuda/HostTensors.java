package dev.borealis.cuda;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.Parameter;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.PinnedBuffer;
import dev.borealis.ffm.Stream;
import java.util.EnumMap;
import java.util.Map;

/** The way of a call's host tensors to the device and back. */
final class HostTensors {
  final Staging x;
  final Staging y;
  final Staging dX;
  final Map<Parameter, Staging> gradients = new EnumMap<>(Parameter.class);

  /** Room for all of them. */
  static final class Plan {
    private final Carver host = new Carver();
    private final Staging.Plan x;
    private final Staging.Plan y;
    private final Staging.Plan dX;
    private final Map<Parameter, Staging.Plan> gradients = new EnumMap<>(Parameter.class);

    Plan(Carver device, AdapterSpec spec, long n, boolean training) {
      x = Staging.plan(device, host, n, spec.inFeatures());
      y = Staging.plan(device, host, n, spec.outFeatures());
      dX = training ? Staging.plan(device, host, n, spec.inFeatures()) : x;
      if (training) {
        for (Parameter parameter : spec.parameters()) {
          long[] shape = spec.shape(parameter);
          long columns = shape[shape.length - 1];
          long rows = 1;
          for (int i = 0; i < shape.length - 1; i++) {
            rows *= shape[i];
          }
          gradients.put(parameter, Staging.planDense(device, host, rows, columns));
        }
      }
    }

    /** Returns the page-locked memory that is needed. */
    long hostBytes() {
      return host.bytes();
    }
  }

  HostTensors(Plan plan, DeviceBuffer device, PinnedBuffer pinned, Stream stream) {
    x = new Staging(plan.x, device, pinned, stream);
    y = new Staging(plan.y, device, pinned, stream);
    dX = new Staging(plan.dX, device, pinned, stream);
    plan.gradients.forEach((p, g) -> gradients.put(p, new Staging(g, device, pinned, stream)));
  }

  Staging gradient(Parameter parameter) {
    Staging staging = gradients.get(parameter);
    if (staging == null) {
      throw new IllegalStateException("no room for the gradient of " + parameter.tensorName());
    }
    return staging;
  }
}
