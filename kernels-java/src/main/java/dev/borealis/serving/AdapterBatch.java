package dev.borealis.serving;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.BatchLimits;
import dev.borealis.adapter.RowGroups;
import dev.borealis.backend.Backend;
import dev.borealis.device.DeviceStream;
import dev.borealis.internal.Checks;
import dev.borealis.tensor.Location;
import dev.borealis.tensor.ShapeMismatchException;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Forward calls over batches whose rows belong to different adapters, of any methods and ranks, or
 * to none. First rows are assigned to adapters by number, then any number of calls run with that
 * assignment, say one a layer of a model, each with the list of that layer's adapters.
 *
 * <p>Every row of Y gets to the bit what a call of its adapter alone would give it; only the
 * backend {@code cuda} may add in another order where such a call takes a way of its own, with very
 * few tokens or through cuBLAS. Inference only: no dropout, no backward. Calls check everything
 * first: an exception means that no output, and no earlier assignment, was touched. Nothing is
 * allocated after the constructor (except by the backend {@code scalar}).
 *
 * <p>Belongs to one call at a time; a second one at the same time is refused. Adapters may be
 * shared with other threads' calls. Backends use several threads only if every thread may touch X
 * and Y.
 */
public final class AdapterBatch {
  /** Of what a batch on the host has no limit for. */
  private static final int NONE = Integer.MAX_VALUE;

  private final int maxRows;
  private final BatchLimits limits;
  private final Location location;
  // Of no length: tells whether the arena is live. Null without one.
  private final @Nullable MemorySegment memory;
  private final Backend backend;
  private final BatchKernel kernel;
  private final Assignment assignment;
  private final RowGroups groups;
  private final AtomicBoolean busy = new AtomicBoolean();

  /**
   * Allocates what calls need, on the heap.
   *
   * @param backend of all adapters
   * @param maxRows largest number of rows of a call, ≥ 0
   * @param maxAdapters largest number of adapters of a call, ≥ 0
   * @throws IllegalArgumentException if a number is negative
   * @throws UnsupportedOperationException if the backend has no such calls
   */
  public AdapterBatch(Backend backend, int maxRows, int maxAdapters) {
    Objects.requireNonNull(backend, "backend");
    requireNotNegative("maxRows", maxRows);
    requireNotNegative("maxAdapters", maxAdapters);
    BatchKernel kernel = backend.batchKernel(maxRows);
    this(backend, new BatchLimits(maxRows, maxAdapters, NONE, NONE), Location.HOST, null, kernel);
  }

  /**
   * Allocates what calls need that are queued in a stream: their tensors are where the stream
   * works, and they return without waiting. A recorded call ({@code Graph}) keeps its assignment
   * only until the next call of this batch.
   *
   * @param backend of all adapters
   * @param limits of the calls
   * @param stream of the backend
   * @param arena owner of the memory; to be closed when the stream's work is done
   * @throws IllegalArgumentException if the stream is of another device
   * @throws IllegalStateException if the arena is closed or another thread's, or the stream is
   *     closed
   * @throws UnsupportedOperationException if the backend has no such calls
   */
  public AdapterBatch(Backend backend, BatchLimits limits, DeviceStream stream, Arena arena) {
    Checks.accessible("arena", Objects.requireNonNull(arena, "arena"));
    BatchKernel kernel = backend.batchKernel(limits, stream, arena);
    this(backend, limits, stream.location(), arena.allocate(0), kernel);
  }

  private AdapterBatch(
      Backend backend,
      BatchLimits limits,
      Location location,
      @Nullable MemorySegment memory,
      BatchKernel kernel) {
    this.backend = backend;
    this.limits = limits;
    this.maxRows = limits.maxRows();
    this.location = location;
    this.memory = memory;
    this.kernel = kernel;
    this.groups = new RowGroups(maxRows);
    this.assignment = new Assignment(groups.rows(), limits.maxAdapters());
  }

  private static void requireNotNegative(String name, int number) {
    if (number < 0) {
      throw new IllegalArgumentException(name + ": expected at least 0, came " + number);
    }
  }

  /** {@return the largest number of rows of a call} */
  public int maxRows() {
    return maxRows;
  }

  /** {@return the number of rows of the last assignment; 0 before the first} */
  public int rows() {
    return assignment.rowCount();
  }

  /**
   * Assigns each row by the number of its adapter, as in decoding.
   *
   * @param adapters how many adapters the calls will list
   * @param adapterOfRow for each row the number of its adapter from 0, or −1 for none; may be
   *     longer than the batch
   * @param rows number of rows
   * @throws IllegalArgumentException if there are more rows or adapters than was allocated for, or
   *     numbers than rows are missing
   * @throws IndexOutOfBoundsException if a row's number is below −1 or not below {@code adapters}
   * @throws IllegalStateException if a call is under way
   */
  public void assignRows(int adapters, int[] adapterOfRow, int rows) {
    Objects.requireNonNull(adapterOfRow, "adapterOfRow");
    acquire();
    try {
      requireRows(rows);
      requireLength("adapterOfRow", adapterOfRow.length, rows);
      assignment.byRow(adapters, adapterOfRow, rows);
    } finally {
      busy.set(false);
    }
  }

  /**
   * Assigns each row by the number of its adapter, as in decoding.
   *
   * @param adapters how many adapters the calls will list
   * @param adapterOfRow 32-bit integers in native byte order, one a row: the number of its adapter
   *     from 0, or −1 for none
   * @throws IllegalArgumentException if there are more rows or adapters than was allocated for, or
   *     the segment's size is no multiple of 4
   * @throws IndexOutOfBoundsException if a row's number is below −1 or not below {@code adapters}
   * @throws IllegalStateException if the memory is closed or another thread's, or a call is under
   *     way
   */
  public void assignRows(int adapters, MemorySegment adapterOfRow) {
    Checks.accessible("adapterOfRow", Objects.requireNonNull(adapterOfRow, "adapterOfRow"));
    acquire();
    try {
      long bytes = adapterOfRow.byteSize();
      if (bytes % Integer.BYTES != 0) {
        throw new IllegalArgumentException(
            "adapterOfRow: expected a multiple of 4 bytes, came " + bytes);
      }
      requireRows(bytes / Integer.BYTES);
      assignment.byRow(adapters, adapterOfRow);
    } finally {
      busy.set(false);
    }
  }

  /**
   * Assigns segments of consecutive rows, as in prefill. Segments follow each other without gaps
   * and may be empty; several may have the same adapter.
   *
   * @param adapters how many adapters the calls will list
   * @param starts the first row of each segment, ascending from 0, then the number of rows; may be
   *     longer than {@code segments + 1}
   * @param adapterOfSegment for each segment the number of its adapter from 0, or −1 for none; may
   *     be longer than {@code segments}
   * @param segments number of segments, ≥ 0
   * @throws IllegalArgumentException if there are more rows or adapters than was allocated for, the
   *     starts don't ascend from 0, or numbers are missing
   * @throws IndexOutOfBoundsException if a segment's number is below −1 or not below {@code
   *     adapters}
   * @throws IllegalStateException if a call is under way
   */
  public void assignSegments(int adapters, int[] starts, int[] adapterOfSegment, int segments) {
    Objects.requireNonNull(starts, "starts");
    Objects.requireNonNull(adapterOfSegment, "adapterOfSegment");
    acquire();
    try {
      requireNotNegative("segments", segments);
      requireLength("starts", starts.length, segments + 1L);
      requireLength("adapterOfSegment", adapterOfSegment.length, segments);
      assignment.bySegment(adapters, starts, adapterOfSegment, segments);
    } finally {
      busy.set(false);
    }
  }

  private void requireRows(long rows) {
    if (rows < 0 || rows > maxRows) {
      throw new IllegalArgumentException(
          "rows: expected 0 to the " + maxRows + " allocated for, came " + rows);
    }
  }

  private static void requireLength(String name, int length, long expected) {
    if (length < expected) {
      throw new IllegalArgumentException(
          name + ": expected at least " + expected + " numbers, came " + length);
    }
  }

  /**
   * Adds to each row of Y the branch of its adapter, with the specification's scale.
   *
   * @param x [n, d_in], n the rows of the assignment; any dtype and row stride
   * @param y [n, d_out], of x's dtype or F32; must not share memory with x. Rows without adapter
   *     stay as they are
   * @param adapters by number, all of this backend, d_in and d_out; null where an adapter has
   *     nothing at this layer, so that its rows stay as they are. Those without rows aren't looked
   *     at. A list with fast access by index
   * @throws IllegalArgumentException if a tensor's or adapter's shape, type or memory is wrong, or
   *     the number of adapters isn't the assignment's
   * @throws IllegalStateException if memory is closed or another thread's, a call is under way, or
   *     an adapter is closed or its weights changed since they were packed
   */
  public void forward(Tensor x, Tensor y, List<? extends @Nullable Adapter> adapters) {
    call(x, y, adapters, null);
  }

  /**
   * Adds to each row of Y the branch of its adapter, with a scale of this call.
   *
   * @param x as for {@link #forward(Tensor, Tensor, List)}
   * @param y as for {@link #forward(Tensor, Tensor, List)}
   * @param adapters as for {@link #forward(Tensor, Tensor, List)}
   * @param scales s by the adapter's number, finite; may be longer than the list
   * @throws IllegalArgumentException as for {@link #forward(Tensor, Tensor, List)}, or if a scale
   *     is missing or not finite
   * @throws IllegalStateException as for {@link #forward(Tensor, Tensor, List)}
   */
  public void forward(
      Tensor x, Tensor y, List<? extends @Nullable Adapter> adapters, float[] scales) {
    requireLength("scales", Objects.requireNonNull(scales, "scales").length, adapters.size());
    call(x, y, adapters, scales);
  }

  private void call(
      Tensor x, Tensor y, List<? extends @Nullable Adapter> adapters, float @Nullable [] scales) {
    Objects.requireNonNull(adapters, "adapters");
    acquire();
    try {
      requireTensors(x, y);
      if (adapters.size() != assignment.adapters()) {
        throw new IllegalArgumentException(
            "adapters: expected the assignment's "
                + assignment.adapters()
                + ", came "
                + adapters.size());
      }
      for (int group = 0; group < assignment.groups(); group++) {
        int number = assignment.adapter(group);
        Adapter adapter = adapters.get(number);
        if (adapter != null) {
          groups.add(
              ready(number, adapter, x, y),
              scales == null ? adapter.spec().scale() : finite(number, scales[number]),
              assignment.from(group),
              assignment.to(group));
        }
      }
      if (groups.count() > 0) {
        kernel.forward(x, y, groups);
      }
    } finally {
      groups.clear();
      busy.set(false);
    }
  }

  private void acquire() {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException("batch: expected it to be free, came one in use");
    }
  }

  private void requireTensors(Tensor x, Tensor y) {
    Objects.requireNonNull(x, "x");
    Objects.requireNonNull(y, "y");
    if (memory != null) {
      Checks.accessible("batch", memory);
    }
    Checks.matrix("x", x, x.columns(), location);
    Checks.matrix("y", y, y.columns(), location);
    requireRows("x", x);
    requireRows("y", y);
    Checks.types("x", x, "y", y);
    Checks.writable("y", y);
    Checks.disjoint("y", y, "x", x);
  }

  private void requireRows(String name, Tensor tensor) {
    if (tensor.rows() != assignment.rowCount()) {
      throw new ShapeMismatchException(
          name + ": expected the assignment's " + assignment.rowCount() + " rows, came " + tensor);
    }
  }

  private AdapterKernel ready(int number, Adapter adapter, Tensor x, Tensor y) {
    int in = adapter.spec().inFeatures();
    int out = adapter.spec().outFeatures();
    if (x.columns() != in || y.columns() != out) {
      throw new ShapeMismatchException(
          "adapters["
              + number
              + "]: expected one from x's "
              + x.columns()
              + " features to y's "
              + y.columns()
              + ", came one from "
              + in
              + " to "
              + out);
    }
    requireAtMost(number, "features", in, limits.maxInFeatures());
    requireAtMost(number, "ranks", adapter.spec().rank(), limits.maxRank());
    AdapterKernel ready = adapter.readyKernel();
    if (!kernel.accepts(ready)) {
      throw new IllegalArgumentException(
          "adapters[" + number + "]: expected one prepared by backend " + backend.name());
    }
    return ready;
  }

  private static void requireAtMost(int number, String what, int came, int limit) {
    if (came > limit) {
      throw new IllegalArgumentException(
          "adapters[" + number + "]: expected at most " + limit + " " + what + ", came " + came);
    }
  }

  private static float finite(int number, float scale) {
    if (!Float.isFinite(scale)) {
      throw new IllegalArgumentException(
          "scales[" + number + "]: expected a finite number, came " + scale);
    }
    return scale;
  }
}
