package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A point in a stream's work that can be waited for, and timed. */
public final class Event extends Resource {
  private final MemorySegment handle;

  private Event(Context context, MemorySegment handle) {
    super(context);
    this.handle = handle;
  }

  /**
   * Creates an event without a time, the cheaper kind.
   *
   * @param context the context it lives in
   * @return the event, to be closed by the caller
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails
   */
  public static Event create(Context context) {
    return create(context, CudaDriver.CU_EVENT_DISABLE_TIMING());
  }

  /**
   * Creates an event for {@link #millisecondsSince}.
   *
   * @param context the context it lives in
   * @return the event, to be closed by the caller
   * @throws IllegalStateException if the context is closed
   * @throws CudaException if a call fails
   */
  public static Event createTimed(Context context) {
    return create(context, CudaDriver.CU_EVENT_DEFAULT());
  }

  private static Event create(Context context, int flags) {
    context.makeCurrent();
    MemorySegment handle =
        Driver.create("cuEventCreate", out -> CudaDriver.cuEventCreate(out, flags));
    return register(new Event(context, handle));
  }

  /**
   * Places the event behind the work queued in a stream so far; replaces its earlier place.
   *
   * @param stream a stream of the same context
   * @throws IllegalStateException if the event or the stream is closed
   * @throws IllegalArgumentException if the stream is of another context
   * @throws CudaException if a call fails
   */
  public void record(Stream stream) {
    requireTogether(stream);
    enter();
    Driver.check(CudaDriver.cuEventRecord(handle, stream.handle()), "cuEventRecord");
  }

  /**
   * Waits until the event has happened; an event never recorded counts as happened.
   *
   * @throws IllegalStateException if the event is closed
   * @throws CudaException if a call fails, or work that was waited for did
   */
  public void synchronize() {
    enter();
    Driver.check(CudaDriver.cuEventSynchronize(handle), "cuEventSynchronize");
  }

  /**
   * Returns whether the event has happened, without waiting.
   *
   * @return true if it has, or was never recorded
   * @throws IllegalStateException if the event is closed
   * @throws CudaException if a call fails, or work before the event did
   */
  public boolean isDone() {
    enter();
    int code = CudaDriver.cuEventQuery(handle);
    if (code == CudaDriver.CUDA_ERROR_NOT_READY()) {
      return false;
    }
    Driver.check(code, "cuEventQuery");
    return true;
  }

  /**
   * Returns the time between two timed events that have both happened.
   *
   * @param start the earlier one, of the same context
   * @return milliseconds, with a resolution of about half a microsecond
   * @throws IllegalStateException if an event is closed
   * @throws IllegalArgumentException if the other event is of another context
   * @throws CudaException if a call fails, an event isn't timed, or one hasn't happened yet
   */
  public float millisecondsSince(Event start) {
    requireTogether(start);
    enter();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_FLOAT);
      Driver.check(CudaDriver.cuEventElapsedTime(out, start.handle, handle), "cuEventElapsedTime");
      return out.get(JAVA_FLOAT, 0);
    }
  }

  MemorySegment handle() {
    return handle;
  }

  @Override
  void release() {
    Driver.check(CudaDriver.cuEventDestroy_v2(handle), "cuEventDestroy_v2");
  }
}
