package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.backend.AdamWKernel;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** AdamW's step on the device: one launch a tensor, the bits of the host's. */
final class CudaAdamW implements AdamWKernel {
  private static final long W = offset("w");
  private static final long G = offset("g");
  private static final long M = offset("m");
  private static final long V = offset("v");
  private static final long COUNT = offset("count");
  private static final long COLUMNS = offset("columns");
  private static final long LD_W = offset("ldW");
  private static final long LD_G = offset("ldG");
  private static final long KEEP = offset("keep");
  private static final long STEP_SIZE = offset("stepSize");
  private static final long ROOT_CORRECTION = offset("rootCorrection");

  private final Launches launches;
  private final MemorySegment arguments = Arena.ofAuto().allocate(Structs.ADAMW);

  CudaAdamW(CudaQueue queue, double beta1, double beta2, double epsilon) {
    this.launches = queue.launches();
    arguments.set(JAVA_DOUBLE, offset("beta1"), beta1);
    arguments.set(JAVA_DOUBLE, offset("beta2"), beta2);
    arguments.set(JAVA_DOUBLE, offset("epsilon"), epsilon);
  }

  private static long offset(String member) {
    return Structs.offset(Structs.ADAMW, member);
  }

  @Override
  public void update(
      Tensor weights,
      Tensor gradient,
      Tensor m,
      Tensor v,
      double keep,
      double stepSize,
      double rootCorrection) {
    long count = weights.rows() * weights.columns();
    if (count == 0) {
      return;
    }
    arguments.set(JAVA_LONG, W, weights.deviceAddress());
    arguments.set(JAVA_LONG, G, gradient.deviceAddress());
    arguments.set(JAVA_LONG, M, m.deviceAddress());
    arguments.set(JAVA_LONG, V, v.deviceAddress());
    arguments.set(JAVA_LONG, COUNT, count);
    arguments.set(JAVA_LONG, COLUMNS, weights.columns());
    arguments.set(JAVA_LONG, LD_W, weights.rowStride());
    arguments.set(JAVA_LONG, LD_G, gradient.rowStride());
    arguments.set(JAVA_DOUBLE, KEEP, keep);
    arguments.set(JAVA_DOUBLE, STEP_SIZE, stepSize);
    arguments.set(JAVA_DOUBLE, ROOT_CORRECTION, rootCorrection);
    launches.run(Kernel.ADAMW, Splits.ceil(count, Kernel.THREADS), 1, 1, 0, arguments);
  }
}
