package dev.borealis.cuda;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.ffm.DeviceBuffer;

/** φ of the columns of A, which the static form takes as its down-projection: [r, d_in]. */
final class StaticForm implements AutoCloseable {
  private final AdapterSpec spec;
  private final DeviceBuffer buffer;
  private final long columnsAt;
  private final long resultAt;
  private final long packedAt;
  private final long packedBytes;

  StaticForm(CudaEngine engine, AdapterSpec spec, DeviceWeights weights, CudaQueue queue) {
    this.spec = spec;
    long ld = Packed.round(spec.rank(), Packed.ROW_TILE);
    Carver carver = new Carver();
    columnsAt = carver.floats(spec.inFeatures() * ld);
    resultAt = carver.floats(spec.inFeatures() * ld);
    packedBytes = Packed.floats(spec.rank(), spec.inFeatures()) * 4;
    packedAt = carver.take(packedBytes);
    buffer = DeviceBuffer.allocate(engine.context(), carver.bytes());
    try {
      compute(weights, queue);
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
  }

  /** Queues computing φ(A) from the weights. */
  void compute(DeviceWeights weights, CudaQueue queue) {
    PhiWeights phi = weights.columnPhi();
    Packed a = weights.down();
    Launches launches = queue.launches();
    Arguments arguments = queue.arguments();
    buffer.fill(packedAt, packedBytes, (byte) 0, queue.stream());
    transpose(
        launches, arguments, a.address(), a.ld(), columns(), phi.ldZ(), a.rows(), a.columns());
    arguments
        .phiCall
        .begin(phi, spec.inFeatures())
        .shares(new Shares(columns(), 1, 0, phi.ldZ(), phi.ldZ()), 1)
        .u(buffer.address() + resultAt);
    launches.run(
        Kernel.PHI_FORWARD,
        Splits.ceil(spec.inFeatures(), PhiWeights.rows(spec.inFeatures())),
        1,
        1,
        phi.forwardBytes(spec.inFeatures()),
        arguments.phiAlone);
    transpose(
        launches,
        arguments,
        buffer.address() + resultAt,
        phi.ldU(),
        buffer.address() + packedAt,
        a.ld(),
        a.columns(),
        a.rows());
  }

  private static void transpose(
      Launches launches,
      Arguments arguments,
      long from,
      long ldFrom,
      long to,
      long ldTo,
      long rows,
      long columns) {
    Shares matrix = new Shares(from, 1, 0, ldFrom, columns);
    BackwardPass.reduce(
        arguments.reduction(matrix, 0, 1, to, ldTo, rows, columns, true, false),
        rows,
        columns,
        launches);
  }

  /** The columns of A as rows: φ's Z, [d_in, ldZ]. */
  long columns() {
    return buffer.address() + columnsAt;
  }

  /** φ(A) as the products take it. */
  Packed packed() {
    return new Packed(buffer.address() + packedAt, spec.rank(), spec.inFeatures(), true, 0);
  }

  @Override
  public void close() {
    buffer.close();
  }
}
