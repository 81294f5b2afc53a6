package dev.borealis.cuda;

import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;

/** What tests with tensors on the device share: an arena and a stream for each, and copies. */
abstract class OnDevice {
  final Backend cuda = Backend.require("cuda");
  final Arena arena = Arena.ofShared();
  final DeviceStream stream = cuda.stream();

  @AfterEach
  void close() {
    StandIn.order(StandIn.Order.FORWARD);
    stream.close();
    arena.close();
  }

  /** A copy on the device, queued. */
  Tensor toDevice(Tensor host) {
    Tensor device = cuda.allocate(arena, host.dtype(), host.shape());
    stream.copy(host, device);
    return device;
  }

  /** The elements, once all that was queued is done. */
  double[] toHost(Tensor device) {
    Tensor host = Tensor.allocate(arena, device.dtype(), device.shape());
    stream.copy(device, host);
    stream.synchronize();
    return CudaShapesTest.values(host);
  }
}
