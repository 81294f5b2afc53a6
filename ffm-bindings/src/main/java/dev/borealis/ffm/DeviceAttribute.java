package dev.borealis.ffm;

import dev.borealis.ffm.generated.CudaDriver;
import java.util.function.IntSupplier;

/** Attributes of a device, {@code CUdevice_attribute} without its prefix. */
public enum DeviceAttribute {
  /** Major number of the compute capability. */
  COMPUTE_CAPABILITY_MAJOR(CudaDriver::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
  /** Minor number of the compute capability. */
  COMPUTE_CAPABILITY_MINOR(CudaDriver::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
  /** Number of multiprocessors. */
  MULTIPROCESSOR_COUNT(CudaDriver::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
  /** Threads in a warp. */
  WARP_SIZE(CudaDriver::CU_DEVICE_ATTRIBUTE_WARP_SIZE),
  /** Most threads in a block. */
  MAX_THREADS_PER_BLOCK(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
  /** Most threads resident on a multiprocessor. */
  MAX_THREADS_PER_MULTIPROCESSOR(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR),
  /** Most blocks resident on a multiprocessor. */
  MAX_BLOCKS_PER_MULTIPROCESSOR(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR),
  /** Most threads of a block along x. */
  MAX_BLOCK_DIM_X(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X),
  /** Most threads of a block along y. */
  MAX_BLOCK_DIM_Y(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y),
  /** Most threads of a block along z. */
  MAX_BLOCK_DIM_Z(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z),
  /** Most blocks of a grid along x. */
  MAX_GRID_DIM_X(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X),
  /** Most blocks of a grid along y. */
  MAX_GRID_DIM_Y(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y),
  /** Most blocks of a grid along z. */
  MAX_GRID_DIM_Z(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z),
  /** Shared memory that a block gets without asking, bytes. */
  MAX_SHARED_MEMORY_PER_BLOCK(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK),
  /** Most shared memory that a block can ask for, bytes. */
  MAX_SHARED_MEMORY_PER_BLOCK_OPTIN(
      CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
  /** Shared memory of a multiprocessor, bytes. */
  MAX_SHARED_MEMORY_PER_MULTIPROCESSOR(
      CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
  /** Shared memory of each block that the driver keeps, bytes. */
  RESERVED_SHARED_MEMORY_PER_BLOCK(
      CudaDriver::CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK),
  /** 32-bit registers that a block can use. */
  MAX_REGISTERS_PER_BLOCK(CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK),
  /** 32-bit registers of a multiprocessor. */
  MAX_REGISTERS_PER_MULTIPROCESSOR(
      CudaDriver::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR),
  /** Size of the L2 cache, bytes. */
  L2_CACHE_SIZE(CudaDriver::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE),
  /** Peak clock, kHz. */
  CLOCK_RATE(CudaDriver::CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
  /** Peak memory clock, kHz. */
  MEMORY_CLOCK_RATE(CudaDriver::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE),
  /** Width of the memory bus, bits. */
  GLOBAL_MEMORY_BUS_WIDTH(CudaDriver::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH),
  /** 1 if cooperative launches are supported. */
  COOPERATIVE_LAUNCH(CudaDriver::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH),
  /** 1 if launches in clusters of blocks are supported. */
  CLUSTER_LAUNCH(CudaDriver::CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH),
  /** 1 if stream-ordered allocation is supported. */
  MEMORY_POOLS_SUPPORTED(CudaDriver::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED),
  /** 1 if host and device share one address space. */
  UNIFIED_ADDRESSING(CudaDriver::CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING),
  /** 1 if the device shares the memory of the host. */
  INTEGRATED(CudaDriver::CU_DEVICE_ATTRIBUTE_INTEGRATED);

  // A supplier, because the bindings initialise only where native access is allowed; it is
  // immutable.
  @SuppressWarnings("ImmutableEnumChecker")
  private final IntSupplier code;

  DeviceAttribute(IntSupplier code) {
    this.code = code;
  }

  int code() {
    return code.getAsInt();
  }
}
