package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;

/** The struct {@code Product} in native memory. */
final class ProductArguments {
  private static final long D = Structs.offset(Structs.PRODUCT, "d");
  private static final long LD_D = Structs.offset(Structs.PRODUCT, "ldD");
  private static final long W = Structs.offset(Structs.PRODUCT, "w");
  private static final long LD_W = Structs.offset(Structs.PRODUCT, "ldW");
  private static final long U = Structs.offset(Structs.PRODUCT, "u");
  private static final long LD_U = Structs.offset(Structs.PRODUCT, "ldU");
  private static final long PARTIAL = Structs.offset(Structs.PRODUCT, "partial");
  private static final long COLUMN_SUMS = Structs.offset(Structs.PRODUCT, "columnSums");
  private static final long OUT = Structs.offset(Structs.PRODUCT, "out");
  private static final long LD_OUT = Structs.offset(Structs.PRODUCT, "ldOut");
  private static final long BIAS = Structs.offset(Structs.PRODUCT, "bias");
  private static final long N = Structs.offset(Structs.PRODUCT, "n");
  private static final long K = Structs.offset(Structs.PRODUCT, "k");
  private static final long R = Structs.offset(Structs.PRODUCT, "r");
  private static final long SPLIT = Structs.offset(Structs.PRODUCT, "split");
  private static final long VECTOR_D = Structs.offset(Structs.PRODUCT, "vectorD");
  private static final long VECTOR_OUT = Structs.offset(Structs.PRODUCT, "vectorOut");
  private static final long OUT_F32 = Structs.offset(Structs.PRODUCT, "outF32");
  private static final long ACCUMULATE = Structs.offset(Structs.PRODUCT, "accumulate");
  private static final long LOW_W = Structs.offset(Structs.PRODUCT, "lowW");
  private static final long SCALE = Structs.offset(Structs.PRODUCT, "scale");
  private static final long MASK = Structs.offset(Structs.PRODUCT, "mask");

  private final MemorySegment memory;

  ProductArguments(MemorySegment memory) {
    this.memory = memory;
  }

  /** Forgets everything, and takes the sizes: n tokens, k columns, rank r. */
  ProductArguments begin(long n, long k, long r) {
    memory.fill((byte) 0);
    memory.set(JAVA_INT, N, Math.toIntExact(n));
    memory.set(JAVA_INT, K, Math.toIntExact(k));
    memory.set(JAVA_INT, R, Math.toIntExact(r));
    memory.set(JAVA_LONG, LD_W, Packed.ld(k));
    memory.set(JAVA_LONG, LD_U, Packed.round(r, Packed.ROW_TILE));
    memory.set(JAVA_FLOAT, SCALE, 1);
    return this;
  }

  ProductArguments streamed(DeviceMatrix d) {
    memory.set(JAVA_LONG, D, d.address());
    memory.set(JAVA_LONG, LD_D, d.ld());
    memory.set(JAVA_INT, VECTOR_D, d.isVectorAligned() ? 1 : 0);
    return this;
  }

  ProductArguments weights(Packed w) {
    memory.set(JAVA_LONG, W, w.address());
    memory.set(JAVA_INT, LOW_W, w.low() ? 1 : 0);
    return this;
  }

  ProductArguments ranks(long u) {
    memory.set(JAVA_LONG, U, u);
    return this;
  }

  /** Shares of a sum, each over `split` columns or rows. */
  ProductArguments shares(long partial, int split) {
    memory.set(JAVA_LONG, PARTIAL, partial);
    memory.set(JAVA_INT, SPLIT, split);
    return this;
  }

  /** Columns of a block. */
  ProductArguments split(int columns) {
    memory.set(JAVA_INT, SPLIT, columns);
    return this;
  }

  ProductArguments columnSums(long columnSums) {
    memory.set(JAVA_LONG, COLUMN_SUMS, columnSums);
    return this;
  }

  /** Without shares: the whole of the columns in one block. */
  ProductArguments whole(long columns) {
    memory.set(JAVA_INT, SPLIT, Math.toIntExact(Packed.round(columns, 32)));
    return this;
  }

  ProductArguments output(DeviceMatrix out, boolean accumulate, float scale, long bias) {
    memory.set(JAVA_LONG, OUT, out.address());
    memory.set(JAVA_LONG, LD_OUT, out.ld());
    memory.set(JAVA_INT, VECTOR_OUT, out.isVectorAligned() ? 1 : 0);
    memory.set(JAVA_INT, OUT_F32, out.type() == DType.F32 ? 1 : 0);
    memory.set(JAVA_INT, ACCUMULATE, accumulate ? 1 : 0);
    memory.set(JAVA_FLOAT, SCALE, scale);
    memory.set(JAVA_LONG, BIAS, bias);
    return this;
  }

  MemorySegment mask() {
    return memory.asSlice(MASK, Structs.DROPOUT.byteSize());
  }
}
