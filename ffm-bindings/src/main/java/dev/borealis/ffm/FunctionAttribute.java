package dev.borealis.ffm;

import dev.borealis.ffm.generated.CudaDriver;
import java.util.function.IntSupplier;

/** Attributes of a kernel, {@code CUfunction_attribute} without its prefix. */
public enum FunctionAttribute {
  /** Most threads a block of this function can have. */
  MAX_THREADS_PER_BLOCK(CudaDriver::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
  /** Static shared memory of a block, bytes. */
  SHARED_SIZE_BYTES(CudaDriver::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES),
  /** Constant memory, bytes. */
  CONST_SIZE_BYTES(CudaDriver::CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES),
  /** Local memory of a thread (spills, stack), bytes. */
  LOCAL_SIZE_BYTES(CudaDriver::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES),
  /** Registers of a thread. */
  NUM_REGS(CudaDriver::CU_FUNC_ATTRIBUTE_NUM_REGS),
  /** 10 · major + minor of the PTX it came from. */
  PTX_VERSION(CudaDriver::CU_FUNC_ATTRIBUTE_PTX_VERSION),
  /** 10 · major + minor of the device it was compiled for. */
  BINARY_VERSION(CudaDriver::CU_FUNC_ATTRIBUTE_BINARY_VERSION),
  /** Most dynamic shared memory that a launch may ask for, bytes; can be set. */
  MAX_DYNAMIC_SHARED_SIZE_BYTES(CudaDriver::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES),
  /** Preferred share of the L1 for shared memory, percent; can be set. */
  PREFERRED_SHARED_MEMORY_CARVEOUT(CudaDriver::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT),
  /** 1 if a launch has to give a cluster size. */
  CLUSTER_SIZE_MUST_BE_SET(CudaDriver::CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET),
  /** 1 if clusters of more than 8 blocks are allowed; can be set. */
  NON_PORTABLE_CLUSTER_SIZE_ALLOWED(
      CudaDriver::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);

  // A supplier, because the bindings initialise only where native access is allowed; it is
  // immutable.
  @SuppressWarnings("ImmutableEnumChecker")
  private final IntSupplier code;

  FunctionAttribute(IntSupplier code) {
    this.code = code;
  }

  int code() {
    return code.getAsInt();
  }
}
