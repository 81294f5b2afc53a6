package dev.borealis.ffm;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.MemorySegment;

/**
 * A queue of work for the device, done in order. Doesn't wait for the legacy default stream, nor
 * that for it.
 */
public final class Stream extends Resource {
  private final MemorySegment handle;

  private Stream(Context context, MemorySegment handle) {
    super(context);
    this.handle = handle;
  }

  /**
   * Creates a stream.
   *
   * @param context the context it lives in
   * @return the stream, to be closed by the caller; closing doesn't wait for its work
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails
   */
  public static Stream create(Context context) {
    context.makeCurrent();
    MemorySegment handle =
        Driver.create(
            "cuStreamCreate",
            out -> CudaDriver.cuStreamCreate(out, CudaDriver.CU_STREAM_NON_BLOCKING()));
    return register(new Stream(context, handle));
  }

  /**
   * Waits until all work queued so far is done.
   *
   * @throws IllegalStateException if the stream is closed
   * @throws CudaException if a call fails, or work that was waited for did
   */
  public void synchronize() {
    enter();
    Driver.check(CudaDriver.cuStreamSynchronize(handle), "cuStreamSynchronize");
  }

  /**
   * Returns whether all work queued so far is done, without waiting.
   *
   * @return true if nothing is left
   * @throws IllegalStateException if the stream is closed
   * @throws CudaException if a call fails, or work that is done did
   */
  public boolean isDone() {
    enter();
    int code = CudaDriver.cuStreamQuery(handle);
    if (code == CudaDriver.CUDA_ERROR_NOT_READY()) {
      return false;
    }
    Driver.check(code, "cuStreamQuery");
    return true;
  }

  /**
   * Lets work queued from now on wait for an event; the calling thread doesn't wait.
   *
   * @param event an event of the same context, already recorded
   * @throws IllegalStateException if the stream or the event is closed
   * @throws IllegalArgumentException if the event is of another context
   * @throws CudaException if a call fails
   */
  public void waitFor(Event event) {
    requireTogether(event);
    enter();
    Driver.check(
        CudaDriver.cuStreamWaitEvent(handle, event.handle(), CudaDriver.CU_EVENT_WAIT_DEFAULT()),
        "cuStreamWaitEvent");
  }

  MemorySegment handle() {
    return handle;
  }

  @Override
  void release() {
    Driver.check(CudaDriver.cuStreamDestroy_v2(handle), "cuStreamDestroy_v2");
  }
}
