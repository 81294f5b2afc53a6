package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/** The struct {@code Pack} in native memory, and its launch. */
final class PackArguments {
  private static final long IN = offset("in");
  private static final long GAIN = offset("gain");
  private static final long OUT = offset("out");
  private static final long PARTS = offset("parts");
  private static final long PART_STRIDE = offset("partStride");
  private static final long LD_IN = offset("ldIn");
  private static final long LD_OUT = offset("ldOut");
  private static final long ROWS = offset("rows");
  private static final long COLUMNS = offset("columns");
  private static final long TRANSPOSED = offset("transposed");

  private final MemorySegment memory;

  PackArguments(MemorySegment memory) {
    this.memory = memory;
  }

  private static long offset(String member) {
    return Structs.offset(Structs.PACK, member);
  }

  /**
   * Queues packing [rows, columns] of any type as F32.
   *
   * @param in the matrix
   * @param rows how many
   * @param columns how many
   * @param gain address of a factor for each row, or 0
   * @param out address of the result
   * @param ldOut distance of its rows
   * @param parts address of the BF16 parts, or 0
   * @param partStride elements from a matrix of them to the next
   * @param transposed whether the result is transposed
   * @param launches where
   */
  void run(
      DeviceMatrix in,
      long rows,
      long columns,
      long gain,
      long out,
      long ldOut,
      long parts,
      long partStride,
      boolean transposed,
      Launches launches) {
    memory.set(JAVA_LONG, IN, in.address());
    memory.set(JAVA_LONG, GAIN, gain);
    memory.set(JAVA_LONG, OUT, out);
    memory.set(JAVA_LONG, PARTS, parts);
    memory.set(JAVA_LONG, PART_STRIDE, partStride);
    memory.set(JAVA_LONG, LD_IN, in.ld());
    memory.set(JAVA_LONG, LD_OUT, ldOut);
    memory.set(JAVA_INT, ROWS, Math.toIntExact(rows));
    memory.set(JAVA_INT, COLUMNS, Math.toIntExact(columns));
    memory.set(JAVA_INT, TRANSPOSED, transposed ? 1 : 0);
    launches.run(Kernel.PACK, in.type(), rows, Splits.ceil(columns, Kernel.THREADS), 1, 0, memory);
  }
}
