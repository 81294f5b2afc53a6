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
  private static final long REDUCTION_PARTIAL = Structs.offset(Structs.REDUCTION, "partial");
  private static final long REDUCTION_GAIN = Structs.offset(Structs.REDUCTION, "gain");
  private static final long REDUCTION_OUT = Structs.offset(Structs.REDUCTION, "out");
  private static final long REDUCTION_STRIDE = Structs.offset(Structs.REDUCTION, "stride");
  private static final long REDUCTION_LD_P = Structs.offset(Structs.REDUCTION, "ldP");
  private static final long REDUCTION_LD_OUT = Structs.offset(Structs.REDUCTION, "ldOut");
  private static final long REDUCTION_COUNT = Structs.offset(Structs.REDUCTION, "count");
  private static final long REDUCTION_ROWS = Structs.offset(Structs.REDUCTION, "rows");
  private static final long REDUCTION_COLUMNS = Structs.offset(Structs.REDUCTION, "columns");
  private static final long REDUCTION_TRANSPOSED = Structs.offset(Structs.REDUCTION, "transposed");
  private static final long REDUCTION_ACCUMULATE = Structs.offset(Structs.REDUCTION, "accumulate");
  private static final long REDUCTION_FACTOR = Structs.offset(Structs.REDUCTION, "factor");
  private static final long COLUMN_SUMS_TERMS = Structs.offset(Structs.COLUMN_SUMS, "terms");
  private static final long COLUMN_SUMS_LD = Structs.offset(Structs.COLUMN_SUMS, "ld");
  private static final long COLUMN_SUMS_PARTIAL = Structs.offset(Structs.COLUMN_SUMS, "partial");
  private static final long COLUMN_SUMS_LD_P = Structs.offset(Structs.COLUMN_SUMS, "ldP");
  private static final long COLUMN_SUMS_N = Structs.offset(Structs.COLUMN_SUMS, "n");
  private static final long COLUMN_SUMS_COLUMNS = Structs.offset(Structs.COLUMN_SUMS, "columns");
  private static final long COLUMN_SUMS_SPLIT = Structs.offset(Structs.COLUMN_SUMS, "split");
  private static final long COLUMN_SUMS_Z = Structs.offset(Structs.COLUMN_SUMS, "z");
  private static final long COLUMN_SUMS_LD_Z = Structs.offset(Structs.COLUMN_SUMS, "ldZ");
  private static final long GAIN_GRADIENT_PARTIAL =
      Structs.offset(Structs.GAIN_GRADIENT, "partial");
  private static final long GAIN_GRADIENT_B = Structs.offset(Structs.GAIN_GRADIENT, "b");
  private static final long GAIN_GRADIENT_OUT = Structs.offset(Structs.GAIN_GRADIENT, "out");
  private static final long GAIN_GRADIENT_STRIDE = Structs.offset(Structs.GAIN_GRADIENT, "stride");
  private static final long GAIN_GRADIENT_LD_P = Structs.offset(Structs.GAIN_GRADIENT, "ldP");
  private static final long GAIN_GRADIENT_LD_B = Structs.offset(Structs.GAIN_GRADIENT, "ldB");
  private static final long GAIN_GRADIENT_COUNT = Structs.offset(Structs.GAIN_GRADIENT, "count");
  private static final long GAIN_GRADIENT_R = Structs.offset(Structs.GAIN_GRADIENT, "r");
  private static final long GAIN_GRADIENT_COLUMNS =
      Structs.offset(Structs.GAIN_GRADIENT, "columns");
  private static final long GAIN_GRADIENT_ACCUMULATE =
      Structs.offset(Structs.GAIN_GRADIENT, "accumulate");
  private static final long GAIN_GRADIENT_FACTOR = Structs.offset(Structs.GAIN_GRADIENT, "factor");
  private static final long COLUMN_SUMS_GRID_SIZE = Structs.offset(Structs.COLUMN_SUMS, "gridSize");
  private static final long COLUMN_SUMS_GRID_MIN = Structs.offset(Structs.COLUMN_SUMS, "gridMin");

  /** Down, φ, up. */
  final ForwardArguments forward;

  /** φ on its own. */
  final MemorySegment phiAlone;

  final PhiArguments phiCall;

  /** A product on its own. */
  final MemorySegment productAlone;

  final ProductArguments product;

  final MemorySegment splineOuter;
  final ProductArguments splineProduct;

  /** Packing of weights. */
  final PackArguments pack;

  private final MemorySegment reduction;
  private final MemorySegment columnSums;
  private final MemorySegment gainGradient;
  private final MemorySegment splineSource;

  Arguments(Arena arena) {
    forward = new ForwardArguments(arena.allocate(Structs.FORWARD));
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
    pack = new PackArguments(arena.allocate(Structs.PACK));
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
    reduction.set(JAVA_LONG, REDUCTION_PARTIAL, shares.address());
    reduction.set(JAVA_LONG, REDUCTION_GAIN, gain);
    reduction.set(JAVA_LONG, REDUCTION_OUT, out);
    reduction.set(JAVA_LONG, REDUCTION_STRIDE, shares.stride());
    reduction.set(JAVA_LONG, REDUCTION_LD_P, shares.ld());
    reduction.set(JAVA_LONG, REDUCTION_LD_OUT, ldOut);
    reduction.set(JAVA_INT, REDUCTION_COUNT, Math.toIntExact(shares.count()));
    reduction.set(JAVA_INT, REDUCTION_ROWS, Math.toIntExact(rows));
    reduction.set(JAVA_INT, REDUCTION_COLUMNS, Math.toIntExact(columns));
    reduction.set(JAVA_INT, REDUCTION_TRANSPOSED, transposed ? 1 : 0);
    reduction.set(JAVA_INT, REDUCTION_ACCUMULATE, accumulate ? 1 : 0);
    reduction.set(JAVA_FLOAT, REDUCTION_FACTOR, factor);
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
    columnSums.set(JAVA_LONG, COLUMN_SUMS_TERMS, terms);
    columnSums.set(JAVA_LONG, COLUMN_SUMS_LD, ld);
    columnSums.set(JAVA_LONG, COLUMN_SUMS_PARTIAL, partial);
    columnSums.set(JAVA_LONG, COLUMN_SUMS_LD_P, Packed.ld(columns));
    columnSums.set(JAVA_INT, COLUMN_SUMS_N, Math.toIntExact(n));
    columnSums.set(JAVA_INT, COLUMN_SUMS_COLUMNS, Math.toIntExact(columns));
    columnSums.set(JAVA_INT, COLUMN_SUMS_SPLIT, split);
    spline(columnSums, z, ldZ, grid);
    return columnSums;
  }

  /** The source of the struct {@code SplineOuter}. */
  void splineSource(long z, long ldZ, SplineGrid grid) {
    spline(splineSource, z, ldZ, grid);
  }

  private static void spline(MemorySegment memory, long z, long ldZ, @Nullable SplineGrid grid) {
    memory.set(JAVA_LONG, COLUMN_SUMS_Z, z);
    memory.set(JAVA_LONG, COLUMN_SUMS_LD_Z, ldZ);
    if (grid != null) {
      PhiArguments.grid(memory, COLUMN_SUMS_GRID_SIZE, COLUMN_SUMS_GRID_MIN, grid);
    }
  }

  /** The struct {@code GainGradient}. */
  MemorySegment gainGradient(Shares shares, Packed b, float factor, long out, boolean accumulate) {
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_PARTIAL, shares.address());
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_B, b.address());
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_OUT, out);
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_STRIDE, shares.stride());
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_LD_P, shares.ld());
    gainGradient.set(JAVA_LONG, GAIN_GRADIENT_LD_B, b.ld());
    gainGradient.set(JAVA_INT, GAIN_GRADIENT_COUNT, Math.toIntExact(shares.count()));
    gainGradient.set(JAVA_INT, GAIN_GRADIENT_R, b.rows());
    gainGradient.set(JAVA_INT, GAIN_GRADIENT_COLUMNS, b.columns());
    gainGradient.set(JAVA_INT, GAIN_GRADIENT_ACCUMULATE, accumulate ? 1 : 0);
    gainGradient.set(JAVA_FLOAT, GAIN_GRADIENT_FACTOR, factor);
    return gainGradient;
  }
}
