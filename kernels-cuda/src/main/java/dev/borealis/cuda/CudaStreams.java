package dev.borealis.cuda;

import dev.borealis.device.DeviceStream;
import dev.borealis.ffm.Stream;

/**
 * The CUDA streams behind the streams of this backend: for events, for work of others in the same
 * order, and for recording calls in a {@link dev.borealis.ffm.Graph}.
 */
public final class CudaStreams {
  private CudaStreams() {}

  /**
   * Returns the driver's stream. It is closed with the given one.
   *
   * @param stream made by the backend {@code cuda}
   * @return what its work is queued in
   * @throws IllegalArgumentException if the stream is another backend's
   * @throws IllegalStateException if it is closed
   */
  public static Stream of(DeviceStream stream) {
    return CudaQueue.of(stream).stream();
  }
}
