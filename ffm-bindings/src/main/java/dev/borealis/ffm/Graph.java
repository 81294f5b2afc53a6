package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Work recorded once from a stream and launched as a whole. Memory and kernels that the work names
 * have to stay open as long as it is launched.
 */
public final class Graph extends Resource {
  private final MemorySegment handle;
  private final long nodeCount;

  private Graph(Context context, MemorySegment handle, long nodeCount) {
    super(context);
    this.handle = handle;
    this.nodeCount = nodeCount;
  }

  /**
   * Records what is queued in a stream, without doing it.
   *
   * @param stream the stream to record from; no other thread may use it meanwhile
   * @param work queues the work; it mustn't wait for the device, or allocate other than in the
   *     stream's order. What it throws ends the recording and is thrown on
   * @return the graph, to be closed by the caller
   * @throws IllegalStateException if the stream is closed
   * @throws CudaException if a call fails, or the work can't be recorded
   */
  public static Graph capture(Stream stream, Runnable work) {
    MemorySegment recorded = record(stream, work);
    Graph graph;
    try {
      graph = instantiate(stream.context(), recorded);
    } catch (RuntimeException e) {
      destroy(recorded, e);
      throw e;
    }
    try {
      Driver.check(CudaDriver.cuGraphDestroy(recorded), "cuGraphDestroy");
    } catch (RuntimeException e) {
      closeAfter(graph, e);
      throw e;
    }
    return graph;
  }

  /**
   * Returns how many operations were recorded.
   *
   * @return the number of nodes
   */
  public long nodeCount() {
    return nodeCount;
  }

  /**
   * Queues all the recorded work.
   *
   * @param stream a stream of the same context
   * @throws IllegalStateException if the graph or the stream is closed
   * @throws IllegalArgumentException if the stream is of another context
   * @throws CudaException if a call fails
   */
  public void launch(Stream stream) {
    requireTogether(stream);
    enter();
    Driver.check(CudaDriver.cuGraphLaunch(handle, stream.handle()), "cuGraphLaunch");
  }

  @Override
  void release() {
    Driver.check(CudaDriver.cuGraphExecDestroy(handle), "cuGraphExecDestroy");
  }

  private static MemorySegment record(Stream stream, Runnable work) {
    stream.enter();
    Driver.check(
        CudaDriver.cuStreamBeginCapture_v2(
            stream.handle(), CudaDriver.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL()),
        "cuStreamBeginCapture_v2");
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      abandon(stream, e);
      throw e;
    }
    return Driver.create(
        "cuStreamEndCapture", out -> CudaDriver.cuStreamEndCapture(stream.handle(), out));
  }

  private static Graph instantiate(Context context, MemorySegment recorded) {
    context.makeCurrent();
    long nodeCount = countNodes(recorded);
    MemorySegment handle =
        Driver.create(
            "cuGraphInstantiateWithFlags(" + nodeCount + " nodes)",
            out -> CudaDriver.cuGraphInstantiateWithFlags(out, recorded, 0));
    return register(new Graph(context, handle, nodeCount));
  }

  private static long countNodes(MemorySegment recorded) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_LONG);
      Driver.check(
          CudaDriver.cuGraphGetNodes(recorded, MemorySegment.NULL, count), "cuGraphGetNodes");
      return count.get(JAVA_LONG, 0);
    }
  }

  /** Ends a recording whose work failed, and drops what was recorded until then. */
  private static void abandon(Stream stream, Throwable failure) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      // An error here is to be expected: work that failed may have made the recording invalid.
      var _ = CudaDriver.cuStreamEndCapture(stream.handle(), out);
      MemorySegment recorded = out.get(ADDRESS, 0);
      if (recorded.address() != 0) {
        destroy(recorded, failure);
      }
    }
  }

  private static void destroy(MemorySegment recorded, Throwable failure) {
    try {
      Driver.check(CudaDriver.cuGraphDestroy(recorded), "cuGraphDestroy");
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  private static void closeAfter(Graph graph, Throwable failure) {
    try {
      graph.close();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }
}
