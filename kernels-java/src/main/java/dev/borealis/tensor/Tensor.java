package dev.borealis.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A view of a {@link MemorySegment} as rows of elements: rank 1 to 3, row-major, last dimension
 * contiguous, with a row stride for rank 2. It never owns memory and has no arithmetic.
 *
 * <p>Segments may be native or heap, of any alignment, in native byte order. Immutable and safe to
 * share; who may touch the elements is the segment's matter (a confined arena's segment belongs to
 * one thread). The CPU kernels read and write F32 in an arena's native memory where it lies; other
 * types, the heap and mapped files pass through a buffer.
 *
 * <p>A tensor knows its {@link #location()}. Java can't read memory of a device: {@link #segment},
 * {@link #get} and {@link #set} of such a tensor throw, and backends and {@code DeviceStream} take
 * its {@link #deviceAddress()}.
 */
public final class Tensor {
  /** Alignment in bytes of the memory that {@link #allocate} takes: one cache line. */
  public static final long ALIGNMENT = 64;

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  private final MemorySegment segment;
  private final DType dtype;
  private final long[] shape;
  private final long rows;
  private final long columns;
  private final long rowStride;
  // The array under a writable heap segment; asked for once, because each answer is garbage.
  private final @Nullable Object array;
  private final Location location;

  private Tensor(
      Location location, MemorySegment segment, DType dtype, long[] shape, long rowStride) {
    this.location = Objects.requireNonNull(location, "location");
    Objects.requireNonNull(segment, "segment");
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.shape = shape;
    if (shape.length < 1 || shape.length > 3) {
      throw new ShapeMismatchException(
          "tensor: expected 1 to 3 dimensions, came " + Arrays.toString(shape));
    }
    long leading = 1;
    for (int i = 0; i < shape.length; i++) {
      if (shape[i] < 0) {
        throw new ShapeMismatchException(
            "tensor: expected dimensions >= 0, came " + Arrays.toString(shape));
      }
      if (i < shape.length - 1) {
        leading = multiply(leading, shape[i], shape);
      }
    }
    this.rows = leading;
    this.columns = shape[shape.length - 1];
    if (rowStride < columns) {
      throw new ShapeMismatchException(
          "tensor: expected a row stride >= " + columns + " columns, came " + rowStride);
    }
    this.rowStride = rowStride;
    long span = rows == 0 || columns == 0 ? 0 : multiply(rows - 1, rowStride, shape) + columns;
    long bytes = multiply(span, dtype.byteSize(), shape);
    if (span < 0 || bytes > segment.byteSize()) {
      throw new IndexOutOfBoundsException(
          "tensor "
              + Arrays.toString(shape)
              + " of "
              + dtype
              + " with row stride "
              + rowStride
              + ": expected a segment of at least "
              + bytes
              + " bytes, came "
              + segment.byteSize());
    }
    this.segment = segment.asSlice(0, bytes);
    this.array = segment.heapBase().orElse(null);
  }

  private static long multiply(long a, long b, long[] shape) {
    long high = Math.multiplyHigh(a, b);
    long low = a * b;
    if (high != 0 || low < 0) {
      throw new ShapeMismatchException("tensor: too many elements in " + Arrays.toString(shape));
    }
    return low;
  }

  /**
   * {@return a dense view of the start of a segment}
   *
   * @param segment native or heap memory; at least as long as the shape needs
   * @param dtype element type
   * @param shape 1 to 3 dimensions, each ≥ 0
   * @throws ShapeMismatchException if the shape is illegal
   * @throws IndexOutOfBoundsException if the segment is too short
   */
  public static Tensor of(MemorySegment segment, DType dtype, long... shape) {
    Objects.requireNonNull(shape, "shape");
    long columns = shape.length == 0 ? 0 : shape[shape.length - 1];
    return new Tensor(Location.HOST, segment, dtype, shape.clone(), Math.max(columns, 0));
  }

  /**
   * {@return a view of a matrix whose rows lie {@code rowStride} elements apart}
   *
   * @param segment native or heap memory; its end may be the last row's last element
   * @param dtype element type
   * @param rows number of rows, ≥ 0
   * @param columns number of columns, ≥ 0
   * @param rowStride distance of two rows in elements, ≥ columns
   * @throws ShapeMismatchException if a dimension or the stride is illegal
   * @throws IndexOutOfBoundsException if the segment is too short
   */
  public static Tensor strided(
      MemorySegment segment, DType dtype, long rows, long columns, long rowStride) {
    return strided(Location.HOST, segment, dtype, rows, columns, rowStride);
  }

  private static Tensor strided(
      Location location,
      MemorySegment segment,
      DType dtype,
      long rows,
      long columns,
      long rowStride) {
    return new Tensor(location, segment, dtype, new long[] {rows, columns}, rowStride);
  }

  /**
   * {@return a dense view of the start of a device's memory, for backends, and for whoever has
   * device memory from elsewhere}
   *
   * @param location the device
   * @param addresses a native segment of device addresses, which nobody reads through; its scope
   *     says how long the memory is there
   * @param dtype element type
   * @param shape 1 to 3 dimensions, each ≥ 0
   * @throws IllegalArgumentException if the location is the host, or the segment is on the heap
   * @throws ShapeMismatchException if the shape is illegal
   * @throws IndexOutOfBoundsException if the segment is too short
   */
  public static Tensor onDevice(
      Location location, MemorySegment addresses, DType dtype, long... shape) {
    Objects.requireNonNull(shape, "shape");
    if (location.isHost() || !addresses.isNative()) {
      throw new IllegalArgumentException(
          "tensor: expected memory of a device, came "
              + (location.isHost() ? "the host's" : "a heap segment"));
    }
    long columns = shape.length == 0 ? 0 : shape[shape.length - 1];
    return new Tensor(location, addresses, dtype, shape.clone(), Math.max(columns, 0));
  }

  /**
   * {@return a dense F32 view of an array; changes show on both sides}
   *
   * @param array backing array
   * @param shape 1 to 3 dimensions
   * @throws ShapeMismatchException if the shape is illegal
   * @throws IndexOutOfBoundsException if the array is too short
   */
  public static Tensor of(float[] array, long... shape) {
    Objects.requireNonNull(array, "array");
    return of(MemorySegment.ofArray(array), DType.F32, shape);
  }

  /**
   * Allocates a zeroed dense tensor, 64-byte aligned.
   *
   * @param arena owner of the memory. Kernels use several threads only on memory that every thread
   *     may touch: {@code Arena.ofShared()}, {@code ofAuto()} or {@code global()}
   * @param dtype element type
   * @param shape 1 to 3 dimensions
   * @return what was allocated
   * @throws ShapeMismatchException if the shape is illegal
   */
  public static Tensor allocate(Arena arena, DType dtype, long... shape) {
    Objects.requireNonNull(arena, "arena");
    return of(arena.allocate(byteSize(dtype, shape), ALIGNMENT), dtype, shape);
  }

  /**
   * {@return the bytes of a dense tensor}
   *
   * @param dtype element type
   * @param shape its dimensions
   * @throws ShapeMismatchException if a dimension is negative, or there are too many elements
   */
  public static long byteSize(DType dtype, long... shape) {
    Objects.requireNonNull(dtype, "dtype");
    Objects.requireNonNull(shape, "shape");
    long count = 1;
    for (long dimension : shape) {
      if (dimension < 0) {
        throw new ShapeMismatchException(
            "tensor: expected dimensions >= 0, came " + Arrays.toString(shape));
      }
      count = multiply(count, dimension, shape);
    }
    return multiply(count, dtype.byteSize(), shape);
  }

  /** {@return where the memory lies} */
  public Location location() {
    return location;
  }

  /**
   * {@return the memory from the first to the last element of this view}
   *
   * @throws IllegalStateException if it is a device's
   */
  public MemorySegment segment() {
    requireHost();
    return segment;
  }

  /**
   * {@return the address of the first element in the device's memory}
   *
   * @throws IllegalStateException if the tensor is on the host
   */
  public long deviceAddress() {
    if (location.isHost()) {
      throw new IllegalStateException("tensor: expected one on a device, came one on the host");
    }
    return segment.address();
  }

  private void requireHost() {
    if (!location.isHost()) {
      throw new IllegalStateException(
          "tensor: expected one on the host, came one on " + location + "; copy it first");
    }
  }

  /**
   * Tells whether the memory's arena is open.
   *
   * @return whether it is
   */
  public boolean isAlive() {
    return segment.scope().isAlive();
  }

  /**
   * Tells whether a thread may use the memory.
   *
   * @param thread who
   * @return whether it may
   */
  public boolean isAccessibleBy(Thread thread) {
    return segment.isAccessibleBy(thread);
  }

  /**
   * Tells whether the memory may be read only.
   *
   * @return whether writing is refused
   */
  public boolean isReadOnly() {
    return segment.isReadOnly();
  }

  /** {@return the element type} */
  public DType dtype() {
    return dtype;
  }

  /** {@return a copy of the shape} */
  public long[] shape() {
    return shape.clone();
  }

  /** {@return the number of dimensions, 1 to 3} */
  public int dimensions() {
    return shape.length;
  }

  /**
   * {@return the size of one dimension}
   *
   * @param index 0 for the outermost
   */
  public long dimension(int index) {
    return shape[index];
  }

  /** {@return the number of rows: the product of all dimensions but the last} */
  public long rows() {
    return rows;
  }

  /** {@return the number of columns: the last dimension} */
  public long columns() {
    return columns;
  }

  /** {@return the distance of two rows in elements} */
  public long rowStride() {
    return rowStride;
  }

  /**
   * Tells whether the rows follow each other without gaps.
   *
   * @return whether there are no gaps
   */
  public boolean isDense() {
    return rowStride == columns || rows <= 1;
  }

  /**
   * Tells whether the shape is exactly the given one; needs no allocation.
   *
   * @param d0 only dimension
   * @return whether it is
   */
  public boolean hasShape(long d0) {
    return shape.length == 1 && shape[0] == d0;
  }

  /**
   * Tells whether the shape is exactly the given one; needs no allocation.
   *
   * @param d0 rows
   * @param d1 columns
   * @return whether it is
   */
  public boolean hasShape(long d0, long d1) {
    return shape.length == 2 && shape[0] == d0 && shape[1] == d1;
  }

  /**
   * {@return a view of some of the rows of a rank-2 tensor}
   *
   * @param from first row
   * @param to row after the last
   * @throws IndexOutOfBoundsException if the range is not within the rows
   */
  public Tensor rowSlice(long from, long to) {
    requireMatrix();
    Objects.checkFromToIndex(from, to, rows);
    long start = Math.min(from * rowStride * dtype.byteSize(), segment.byteSize());
    return strided(location, segment.asSlice(start), dtype, to - from, columns, rowStride);
  }

  /**
   * {@return a view of some of the columns of a rank-2 tensor; the row stride stays}
   *
   * @param from first column
   * @param to column after the last
   * @throws IndexOutOfBoundsException if the range is not within the columns
   */
  public Tensor columnSlice(long from, long to) {
    requireMatrix();
    Objects.checkFromToIndex(from, to, columns);
    long start = Math.min(from * dtype.byteSize(), segment.byteSize());
    return strided(location, segment.asSlice(start), dtype, rows, to - from, rowStride);
  }

  /**
   * {@return a dense view of some of the elements of a dense tensor}
   *
   * @param from number of the first element
   * @param newShape 1 to 3 dimensions
   * @throws ShapeMismatchException if this is not dense, or the shape is illegal
   * @throws IndexOutOfBoundsException if the elements are not within this tensor
   */
  public Tensor part(long from, long... newShape) {
    if (!isDense()) {
      throw new ShapeMismatchException("tensor: expected a dense one, came " + this);
    }
    Objects.checkIndex(from, rows * columns + 1);
    MemorySegment rest = segment.asSlice(from * dtype.byteSize());
    long width = newShape.length == 0 ? 0 : newShape[newShape.length - 1];
    return new Tensor(location, rest, dtype, newShape.clone(), Math.max(width, 0));
  }

  private void requireMatrix() {
    if (shape.length != 2) {
      throw new ShapeMismatchException(
          "tensor: expected 2 dimensions to slice, came " + Arrays.toString(shape));
    }
  }

  /**
   * {@return one element as a float (exact for every {@link DType})}
   *
   * @param row row index over all leading dimensions
   * @param column index within the row
   * @throws IndexOutOfBoundsException if an index is out of range
   * @throws IllegalStateException if the memory is a device's
   */
  public float get(long row, long column) {
    requireHost();
    long index = index(row, column);
    return switch (dtype) {
      case F32 -> segment.get(F32, index * 4);
      case BF16 -> DType.bFloat16ToFloat(segment.get(I16, index * 2));
      case F16 -> Float.float16ToFloat(segment.get(I16, index * 2));
    };
  }

  /**
   * Sets one element, rounded to nearest even.
   *
   * @param row row index over all leading dimensions
   * @param column index within the row
   * @param value the new value
   * @throws IndexOutOfBoundsException if an index is out of range
   * @throws IllegalStateException if the memory is a device's
   */
  public void set(long row, long column, float value) {
    requireHost();
    long index = index(row, column);
    switch (dtype) {
      case F32 -> segment.set(F32, index * 4, value);
      case BF16 -> segment.set(I16, index * 2, DType.floatToBFloat16(value));
      case F16 -> segment.set(I16, index * 2, Float.floatToFloat16(value));
    }
  }

  private long index(long row, long column) {
    return Objects.checkIndex(row, rows) * rowStride + Objects.checkIndex(column, columns);
  }

  /**
   * Tells whether any element of this tensor shares memory with any of another. Column slices of
   * one matrix that have no column in common do not overlap, nor does a vector in the gap between
   * two rows. Interleaved matrices whose rows lie different numbers of bytes apart count as
   * overlapping.
   *
   * @param other the other tensor
   * @return whether they share an element
   */
  public boolean overlaps(Tensor other) {
    if (!segmentsMeet(other)) {
      return false;
    }
    long pitch = rows > 1 ? rowBytes() : other.rowBytes();
    if ((rows <= 1 && other.rows <= 1) || (other.rows > 1 && pitch != other.rowBytes())) {
      return true;
    }
    long distance = Math.floorMod(other.segment.address() - segment.address(), pitch);
    return distance < columns * dtype.byteSize()
        || distance + other.columns * other.dtype.byteSize() > pitch;
  }

  private long rowBytes() {
    return rowStride * dtype.byteSize();
  }

  private boolean segmentsMeet(Tensor other) {
    if (segment.byteSize() == 0 || other.segment.byteSize() == 0) {
      return false;
    }
    if (segment.isNative() != other.segment.isNative() || !location.equals(other.location)) {
      return false;
    }
    if (!segment.isNative() && (array == null || other.array == null)) {
      // A read-only heap segment does not show its array.
      return segment.asOverlappingSlice(other.segment).isPresent();
    }
    if (array != other.array) {
      return false;
    }
    // By address, because a slice is garbage in every call on interleaved tensors.
    long a = segment.address();
    long b = other.segment.address();
    return Math.max(a, b) < Math.min(a + segment.byteSize(), b + other.segment.byteSize());
  }

  /** {@return shape, type and stride, for messages; never the elements} */
  @Override
  public String toString() {
    String stride = isDense() ? "" : ", row stride " + rowStride;
    String place = location.isHost() ? "" : " on " + location;
    return "Tensor" + Arrays.toString(shape) + " " + dtype + stride + place;
  }
}
