package dev.borealis.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.ffm.generated.CUlaunchAttribute;
import dev.borealis.ffm.generated.CUlaunchAttributeValue;
import dev.borealis.ffm.generated.CUlaunchConfig;
import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A launch of a kernel: configuration and arguments, in native memory set aside once, so that a
 * launch allocates nothing.
 *
 * <pre>{@code
 * Launch launch = function.launch().block(256).dynamicSharedBytes(8192);
 * launch.grid(blocks).arguments().pointer(x).pointer(y).int32(n).float32(scale).on(stream);
 * }</pre>
 *
 * <p>Arguments are given in the order of the kernel's parameters; {@link #arguments()} begins anew,
 * and without it the previous ones are used again. Where the driver tells the parameters' sizes
 * (12.4 and later), an argument of another size, one too many or one too few is refused. Device
 * memory named by an argument has to stay open until the kernel is done. One thread at a time;
 * needs no closing.
 */
public final class Launch {
  static final int MAX_PARAMETERS = 64;
  private static final int MAX_ARGUMENT_BYTES = 4096;
  private static final int MAX_ATTRIBUTES = 3;

  private final CudaFunction function;
  private final MemorySegment config;
  private final MemorySegment attributes;
  private final MemorySegment values;
  private final MemorySegment pointers;

  private int clusterX;
  private int clusterY;
  private int clusterZ;
  private boolean cooperative;
  private boolean programmatic;
  private int count;
  private long end;

  Launch(CudaFunction function) {
    this.function = function;
    Arena arena = Arena.ofAuto(); // freed with this object
    config = CUlaunchConfig.allocate(arena);
    attributes = CUlaunchAttribute.allocateArray(MAX_ATTRIBUTES, arena);
    values = arena.allocate(MAX_ARGUMENT_BYTES, Long.BYTES * 2L);
    pointers = arena.allocate(ADDRESS, MAX_PARAMETERS);
    CUlaunchConfig.attrs(config, attributes);
    grid(1);
    block(1);
  }

  /**
   * Sets the number of blocks; (1, 1, 1) if never called.
   *
   * @param x blocks along x, 1 or more
   * @return this
   * @throws IllegalArgumentException if it isn't positive
   */
  public Launch grid(int x) {
    return grid(x, 1, 1);
  }

  /**
   * Sets the number of blocks; (1, 1, 1) if never called.
   *
   * @param x blocks along x, 1 or more
   * @param y blocks along y, 1 or more
   * @param z blocks along z, 1 or more
   * @return this
   * @throws IllegalArgumentException if one isn't positive
   */
  public Launch grid(int x, int y, int z) {
    requirePositive("grid", x, y, z);
    CUlaunchConfig.gridDimX(config, x);
    CUlaunchConfig.gridDimY(config, y);
    CUlaunchConfig.gridDimZ(config, z);
    return this;
  }

  /**
   * Sets the threads of a block; (1, 1, 1) if never called.
   *
   * @param x threads along x, 1 or more
   * @return this
   * @throws IllegalArgumentException if it isn't positive
   */
  public Launch block(int x) {
    return block(x, 1, 1);
  }

  /**
   * Sets the threads of a block; (1, 1, 1) if never called.
   *
   * @param x threads along x, 1 or more
   * @param y threads along y, 1 or more
   * @param z threads along z, 1 or more
   * @return this
   * @throws IllegalArgumentException if one isn't positive
   */
  public Launch block(int x, int y, int z) {
    requirePositive("block", x, y, z);
    CUlaunchConfig.blockDimX(config, x);
    CUlaunchConfig.blockDimY(config, y);
    CUlaunchConfig.blockDimZ(config, z);
    return this;
  }

  /**
   * Sets the dynamic shared memory of a block; 0 if never called. Beyond 48 KiB the kernel's {@link
   * FunctionAttribute#MAX_DYNAMIC_SHARED_SIZE_BYTES} has to be raised first.
   *
   * @param bytes 0 or more
   * @return this
   * @throws IllegalArgumentException if it is negative
   */
  public Launch dynamicSharedBytes(int bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("dynamic shared memory of " + bytes + " bytes");
    }
    CUlaunchConfig.sharedMemBytes(config, bytes);
    return this;
  }

  /**
   * Sets the blocks of a cluster (compute capability 9.0 and later); the grid's extents have to be
   * multiples of it.
   *
   * @param x blocks along x, 1 or more
   * @param y blocks along y, 1 or more
   * @param z blocks along z, 1 or more
   * @return this
   * @throws IllegalArgumentException if one isn't positive
   */
  public Launch cluster(int x, int y, int z) {
    requirePositive("cluster", x, y, z);
    clusterX = x;
    clusterY = y;
    clusterZ = z;
    return writeAttributes();
  }

  /**
   * Sets whether all blocks run at the same time and may wait for each other across the grid.
   *
   * @param cooperative false if never called
   * @return this
   */
  public Launch cooperative(boolean cooperative) {
    this.cooperative = cooperative;
    return writeAttributes();
  }

  /**
   * Sets whether the kernel may begin before the previous one in its stream has ended (programmatic
   * dependent launch; compute capability 9.0 and later). The kernel then waits by itself before it
   * reads what that one wrote.
   *
   * @param programmatic false if never called
   * @return this
   */
  public Launch programmaticStreamSerialization(boolean programmatic) {
    this.programmatic = programmatic;
    return writeAttributes();
  }

  /**
   * Begins the list of arguments anew.
   *
   * @return this
   */
  public Launch arguments() {
    count = 0;
    end = 0;
    return this;
  }

  /**
   * Adds a device buffer's address.
   *
   * @param buffer an open buffer of the kernel's context
   * @return this
   * @throws IllegalStateException if the buffer is closed
   * @throws IllegalArgumentException if the buffer is of another context, or the kernel takes
   *     something else here
   */
  public Launch pointer(DeviceBuffer buffer) {
    function.module().requireTogether(buffer);
    return pointer(buffer.address());
  }

  /**
   * Adds a device address.
   *
   * @param address the address, not checked
   * @return this
   * @throws IllegalArgumentException if the kernel takes something else here
   */
  public Launch pointer(long address) {
    return int64(address);
  }

  /**
   * Adds a 32-bit integer.
   *
   * @param value the value
   * @return this
   * @throws IllegalArgumentException if the kernel takes something else here
   */
  public Launch int32(int value) {
    values.set(JAVA_INT, next(Integer.BYTES, Integer.BYTES), value);
    return this;
  }

  /**
   * Adds a 64-bit integer.
   *
   * @param value the value
   * @return this
   * @throws IllegalArgumentException if the kernel takes something else here
   */
  public Launch int64(long value) {
    values.set(JAVA_LONG, next(Long.BYTES, Long.BYTES), value);
    return this;
  }

  /**
   * Adds a 32-bit floating-point number.
   *
   * @param value the value
   * @return this
   * @throws IllegalArgumentException if the kernel takes something else here
   */
  public Launch float32(float value) {
    values.set(JAVA_FLOAT, next(Float.BYTES, Float.BYTES), value);
    return this;
  }

  /**
   * Adds a struct by value; it is copied now.
   *
   * @param value its bytes, laid out as the kernel's compiler does
   * @return this
   * @throws IllegalArgumentException if the kernel takes something else here
   */
  public Launch struct(MemorySegment value) {
    long offset = next(value.byteSize(), Long.BYTES * 2L);
    MemorySegment.copy(value, 0, values, offset, value.byteSize());
    return this;
  }

  /**
   * Queues the kernel.
   *
   * @param stream a stream of the kernel's context
   * @throws IllegalStateException if the kernel's module or the stream is closed
   * @throws IllegalArgumentException if the stream is of another context, or arguments are missing
   * @throws CudaException if a call fails, for example for a configuration that isn't possible
   */
  public void on(Stream stream) {
    CudaModule module = function.module();
    module.requireOpen();
    module.requireTogether(stream);
    long[] sizes = function.parameterSizes();
    if (sizes != null && sizes.length != count) {
      throw new IllegalArgumentException(
          function.name() + " takes " + sizes.length + " arguments, not " + count);
    }
    module.enter();
    CUlaunchConfig.hStream(config, stream.handle());
    int code = CudaDriver.cuLaunchKernelEx(config, function.handle(), pointers, MemorySegment.NULL);
    if (code != CudaDriver.CUDA_SUCCESS()) {
      throw Driver.failure(code, "cuLaunchKernelEx(" + this + ")", "");
    }
  }

  /**
   * Returns how many clusters of this launch the device can hold at once.
   *
   * @return clusters, 0 if not even one fits
   * @throws IllegalStateException if the kernel's module is closed
   * @throws CudaException if a call fails
   */
  public int maxActiveClusters() {
    function.module().enter();
    CUlaunchConfig.hStream(config, MemorySegment.NULL);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Driver.check(
          CudaDriver.cuOccupancyMaxActiveClusters(out, function.handle(), config),
          "cuOccupancyMaxActiveClusters(" + this + ")");
      return out.get(JAVA_INT, 0);
    }
  }

  /** {@return the kernel's name and the configuration} */
  @Override
  public String toString() {
    return function.name()
        + ", grid "
        + extents(
            CUlaunchConfig.gridDimX(config),
            CUlaunchConfig.gridDimY(config),
            CUlaunchConfig.gridDimZ(config))
        + ", block "
        + extents(
            CUlaunchConfig.blockDimX(config),
            CUlaunchConfig.blockDimY(config),
            CUlaunchConfig.blockDimZ(config))
        + (clusterX == 0 ? "" : ", cluster " + extents(clusterX, clusterY, clusterZ))
        + ", "
        + CUlaunchConfig.sharedMemBytes(config)
        + " bytes of dynamic shared memory";
  }

  /** Makes room for the next argument and returns its offset. */
  private long next(long size, long alignment) {
    long[] sizes = function.parameterSizes();
    if (sizes != null && (count >= sizes.length || sizes[count] != size)) {
      String expected = count < sizes.length ? sizes[count] + " bytes" : "nothing";
      throw new IllegalArgumentException(
          function.name()
              + " takes "
              + expected
              + " as argument "
              + count
              + ", not "
              + size
              + " bytes");
    }
    long offset = (end + alignment - 1) & -alignment;
    if (count == MAX_PARAMETERS || size > MAX_ARGUMENT_BYTES - offset) {
      throw new IllegalArgumentException(
          function.name()
              + ": more than "
              + MAX_PARAMETERS
              + " arguments or "
              + MAX_ARGUMENT_BYTES
              + " bytes of them");
    }
    pointers.setAtIndex(JAVA_LONG, count, values.address() + offset);
    count++;
    end = offset + size;
    return offset;
  }

  private Launch writeAttributes() {
    int n = 0;
    if (clusterX > 0) {
      MemorySegment value = attribute(n++, CudaDriver.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION());
      MemorySegment dimensions = CUlaunchAttributeValue.clusterDim(value);
      CUlaunchAttributeValue.clusterDim.x(dimensions, clusterX);
      CUlaunchAttributeValue.clusterDim.y(dimensions, clusterY);
      CUlaunchAttributeValue.clusterDim.z(dimensions, clusterZ);
    }
    if (cooperative) {
      MemorySegment value = attribute(n++, CudaDriver.CU_LAUNCH_ATTRIBUTE_COOPERATIVE());
      CUlaunchAttributeValue.cooperative(value, 1);
    }
    if (programmatic) {
      MemorySegment value =
          attribute(n++, CudaDriver.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION());
      CUlaunchAttributeValue.programmaticStreamSerializationAllowed(value, 1);
    }
    CUlaunchConfig.numAttrs(config, n);
    return this;
  }

  private MemorySegment attribute(int index, int id) {
    MemorySegment attribute = CUlaunchAttribute.asSlice(attributes, index);
    attribute.fill((byte) 0);
    CUlaunchAttribute.id(attribute, id);
    return CUlaunchAttribute.value(attribute);
  }

  private static void requirePositive(String what, int x, int y, int z) {
    if (x < 1 || y < 1 || z < 1) {
      throw new IllegalArgumentException(what + " of " + extents(x, y, z));
    }
  }

  private static String extents(int x, int y, int z) {
    return x + "×" + y + "×" + z;
  }
}
