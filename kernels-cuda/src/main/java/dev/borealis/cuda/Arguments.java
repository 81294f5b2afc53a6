package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.SplineGrid;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import org.jspecify.annotations.Nullable;

/** The argument structs of one call after another, in native memory. For one thread at a time. */
final class Arguments {
  /** Down, φ, up. */
  final MemorySegment forward;

  final ProductArguments down;
  final PhiArguments phi;
  final ProductArguments up;

  /** The first pass of the backward. */
  final MemorySegment backwardUp;

  final ProductArguments contract;
  final ProductArguments outer;

  /** φ on its own. */
  final MemorySegment phiAlone;

  final PhiArguments phiCall;

  /** A product on its own. */
  final MemorySegment productAlone;

  final ProductArguments product;

  final MemorySegment splineOuter;
  final ProductArguments splineProduct;

  private final MemorySegment downAlone;
  private final MemorySegment forwardPhiAlone;
  private final MemorySegment upAlone;
  private final MemorySegment contractAlone;
  private final MemorySegment reduction;
  private final MemorySegment columnSums;
  private final MemorySegment gainGradient;
  private final MemorySegment splineSource;

  Arguments(Arena arena) {
    forward = arena.allocate(Structs.FORWARD);
    downAlone = slice(forward, Structs.FORWARD, "down", Structs.PRODUCT);
    forwardPhiAlone = slice(forward, Structs.FORWARD, "phi", Structs.PHI);
    upAlone = slice(forward, Structs.FORWARD, "up", Structs.PRODUCT);
    down = new ProductArguments(downAlone);
    phi = new PhiArguments(forwardPhiAlone);
    up = new ProductArguments(upAlone);
    backwardUp = arena.allocate(Structs.BACKWARD_UP);
    contractAlone = slice(backwardUp, Structs.BACKWARD_UP, "contract", Structs.PRODUCT);
    contract = new ProductArguments(contractAlone);
    outer = new ProductArguments(slice(backwardUp, Structs.BACKWARD_UP, "outer", Structs.PRODUCT));
    phiAlone = arena.allocate(Structs.PHI);
    phiCall = new PhiArguments(phiAlone);
    productAlone = arena.allocate(Structs.PRODUCT);
    product = new ProductArguments(productAlone);
    splineOuter = arena.allocate(Structs.SPLINE_OUTER);
    splineProduct =
        new ProductArguments(slice(splineOuter, Structs.SPLINE_OUTER, "product", Structs.PRODUCT));
    splineSource = slice(splineOuter, Structs.SPLINE_OUTER, "source", Structs.COLUMN_SUMS);
    reduction = arena.allocate(Structs.REDUCTION);
    columnSums = arena.allocate(Structs.COLUMN_SUMS);
    gainGradient = arena.allocate(Structs.GAIN_GRADIENT);
  }

  /** The members of {@link #forward} on their own. */
  MemorySegment downAlone() {
    return downAlone;
  }

  MemorySegment forwardPhiAlone() {
    return forwardPhiAlone;
  }

  MemorySegment upAlone() {
    return upAlone;
  }

  /** The product of {@link #backwardUp} that gives dU, on its own. */
  MemorySegment contractAlone() {
    return contractAlone;
  }

  private static MemorySegment slice(
      MemorySegment memory, StructLayout layout, String member, StructLayout of) {
    return memory.asSlice(Structs.offset(layout, member), of.byteSize());
  }

  /** The struct {@code Reduction}. */
  MemorySegment reduction(
      Shares shares,
      long gain,
      float factor,
      long out,
      long ldOut,
      long rows,
      long columns,
      boolean transposed,
      boolean accumulate) {
    set(reduction, Structs.REDUCTION, "partial", shares.address());
    set(reduction, Structs.REDUCTION, "gain", gain);
    set(reduction, Structs.REDUCTION, "out", out);
    set(reduction, Structs.REDUCTION, "stride", shares.stride());
    set(reduction, Structs.REDUCTION, "ldP", shares.ld());
    set(reduction, Structs.REDUCTION, "ldOut", ldOut);
    set(reduction, Structs.REDUCTION, "count", Math.toIntExact(shares.count()));
    set(reduction, Structs.REDUCTION, "rows", Math.toIntExact(rows));
    set(reduction, Structs.REDUCTION, "columns", Math.toIntExact(columns));
    set(reduction, Structs.REDUCTION, "transposed", transposed ? 1 : 0);
    set(reduction, Structs.REDUCTION, "accumulate", accumulate ? 1 : 0);
    set(reduction, Structs.REDUCTION, "factor", factor);
    return reduction;
  }

  /** The struct {@code ColumnSums}; z and grid for a spline CHANNEL, 0 and null otherwise. */
  MemorySegment columnSums(
      long terms,
      long ld,
      long n,
      long columns,
      int split,
      long partial,
      long z,
      long ldZ,
      @Nullable SplineGrid grid) {
    set(columnSums, Structs.COLUMN_SUMS, "terms", terms);
    set(columnSums, Structs.COLUMN_SUMS, "ld", ld);
    set(columnSums, Structs.COLUMN_SUMS, "partial", partial);
    set(columnSums, Structs.COLUMN_SUMS, "ldP", Packed.ld(columns));
    set(columnSums, Structs.COLUMN_SUMS, "n", Math.toIntExact(n));
    set(columnSums, Structs.COLUMN_SUMS, "columns", Math.toIntExact(columns));
    set(columnSums, Structs.COLUMN_SUMS, "split", split);
    spline(columnSums, z, ldZ, grid);
    return columnSums;
  }

  /** The source of the struct {@code SplineOuter}. */
  void splineSource(long z, long ldZ, SplineGrid grid) {
    spline(splineSource, z, ldZ, grid);
  }

  private static void spline(MemorySegment memory, long z, long ldZ, @Nullable SplineGrid grid) {
    set(memory, Structs.COLUMN_SUMS, "z", z);
    set(memory, Structs.COLUMN_SUMS, "ldZ", ldZ);
    if (grid != null) {
      PhiArguments.grid(
          memory,
          Structs.offset(Structs.COLUMN_SUMS, "gridSize"),
          Structs.offset(Structs.COLUMN_SUMS, "gridMin"),
          grid);
    }
  }

  /** The struct {@code GainGradient}. */
  MemorySegment gainGradient(Shares shares, Packed b, float factor, long out, boolean accumulate) {
    set(gainGradient, Structs.GAIN_GRADIENT, "partial", shares.address());
    set(gainGradient, Structs.GAIN_GRADIENT, "b", b.address());
    set(gainGradient, Structs.GAIN_GRADIENT, "out", out);
    set(gainGradient, Structs.GAIN_GRADIENT, "stride", shares.stride());
    set(gainGradient, Structs.GAIN_GRADIENT, "ldP", shares.ld());
    set(gainGradient, Structs.GAIN_GRADIENT, "ldB", b.ld());
    set(gainGradient, Structs.GAIN_GRADIENT, "count", Math.toIntExact(shares.count()));
    set(gainGradient, Structs.GAIN_GRADIENT, "r", b.rows());
    set(gainGradient, Structs.GAIN_GRADIENT, "columns", b.columns());
    set(gainGradient, Structs.GAIN_GRADIENT, "accumulate", accumulate ? 1 : 0);
    set(gainGradient, Structs.GAIN_GRADIENT, "factor", factor);
    return gainGradient;
  }

  private static void set(MemorySegment memory, StructLayout layout, String member, long value) {
    memory.set(JAVA_LONG, Structs.offset(layout, member), value);
  }

  private static void set(MemorySegment memory, StructLayout layout, String member, int value) {
    memory.set(JAVA_INT, Structs.offset(layout, member), value);
  }

  private static void set(MemorySegment memory, StructLayout layout, String member, float value) {
    memory.set(JAVA_FLOAT, Structs.offset(layout, member), value);
  }
}
