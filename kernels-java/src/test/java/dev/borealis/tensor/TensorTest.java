package dev.borealis.tensor;

import static dev.borealis.testing.Nothing.nothing;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Views are checked when they are made; overlap is told exactly for views of one matrix. */
class TensorTest {
  private static <T extends RuntimeException> void refused(
      Class<T> type, Executable call, String... words) {
    String message = String.valueOf(assertThrows(type, call).getMessage());
    for (String word : words) {
      assertTrue(message.contains(word), () -> "expected \"" + word + "\" in: " + message);
    }
  }

  private static MemorySegment bytes(long count) {
    return MemorySegment.ofArray(new byte[(int) count]);
  }

  @Test
  void shapesOfOneToThreeDimensionsOnly() {
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(bytes(16), DType.F32),
        "1 to 3 dimensions",
        "[]");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(new float[1], 1, 1, 1, 1),
        "1 to 3 dimensions",
        "[1, 1, 1, 1]");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.allocate(Arena.ofAuto(), DType.F32),
        "1 to 3 dimensions");
    refused(ShapeMismatchException.class, () -> Tensor.of(new float[4], 2, -1), ">= 0", "[2, -1]");
    refused(ShapeMismatchException.class, () -> Tensor.of(new float[4], -1, 2), ">= 0", "[-1, 2]");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.allocate(Arena.ofAuto(), DType.BF16, -3),
        ">= 0",
        "[-3]");
  }

  @Test
  void sizesThatOverflowAreRefused() {
    long huge = 1L << 33;
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(new float[4], huge, huge),
        "too many elements",
        "[" + huge);
    refused(
        ShapeMismatchException.class,
        () -> Tensor.allocate(Arena.ofAuto(), DType.F32, huge, huge, 1),
        "too many elements");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.strided(bytes(64), DType.F32, 3, 1, Long.MAX_VALUE / 2),
        "too many elements");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(bytes(64), DType.F32, Long.MAX_VALUE),
        "too many elements");
  }

  @Test
  void strideBelowTheColumns() {
    refused(
        ShapeMismatchException.class,
        () -> Tensor.strided(bytes(64), DType.F32, 2, 4, 3),
        "row stride >= 4",
        "came 3");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.strided(bytes(64), DType.F32, 2, 4, -4),
        "row stride >= 4",
        "came -4");
  }

  @Test
  void shortSegments() {
    for (DType dtype : DType.values()) {
      // Two strides of 5 and the last row's 3 columns.
      long need = 13L * dtype.byteSize();
      assertEquals(3, Tensor.strided(bytes(need), dtype, 3, 3, 5).rows());
      refused(
          IndexOutOfBoundsException.class,
          () -> Tensor.strided(bytes(need - 1), dtype, 3, 3, 5),
          "at least " + need,
          "came " + (need - 1),
          dtype.toString());
    }
    refused(IndexOutOfBoundsException.class, () -> Tensor.of(new float[5], 2, 3), "24 bytes", "20");
  }

  @Test
  void nullsAreNamed() {
    refused(NullPointerException.class, () -> Tensor.of(nothing(), DType.F32, 1), "segment");
    refused(NullPointerException.class, () -> Tensor.of(bytes(4), nothing(), 1), "dtype");
    refused(
        NullPointerException.class,
        () -> Tensor.of(bytes(4), DType.F32, (long[]) nothing()),
        "shape");
    refused(NullPointerException.class, () -> Tensor.of((float[]) nothing(), 1), "array");
    refused(NullPointerException.class, () -> Tensor.allocate(nothing(), DType.F32, 1), "arena");
    refused(
        NullPointerException.class, () -> Tensor.allocate(Arena.ofAuto(), nothing(), 1), "dtype");
    refused(
        NullPointerException.class, () -> Tensor.strided(nothing(), DType.F32, 1, 1, 1), "segment");
  }

  @Test
  void slices() {
    Tensor matrix = Tensor.strided(bytes(4 * (9 * 7 + 5)), DType.F32, 10, 5, 7);
    refused(IndexOutOfBoundsException.class, () -> matrix.rowSlice(-1, 3));
    refused(IndexOutOfBoundsException.class, () -> matrix.rowSlice(3, 2));
    refused(IndexOutOfBoundsException.class, () -> matrix.rowSlice(3, 11), "11", "10");
    refused(IndexOutOfBoundsException.class, () -> matrix.columnSlice(0, 6), "6", "5");
    refused(IndexOutOfBoundsException.class, () -> matrix.get(10, 0));
    refused(IndexOutOfBoundsException.class, () -> matrix.set(0, 5, 1));
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(new float[8], 8).rowSlice(0, 1),
        "2 dim",
        "[8]");
    refused(
        ShapeMismatchException.class,
        () -> Tensor.of(new float[8], 2, 2, 2).columnSlice(0, 1),
        "2 dimensions",
        "[2, 2, 2]");

    matrix.set(9, 4, 3);
    Tensor corner = matrix.rowSlice(8, 10).columnSlice(3, 5);
    assertArrayEquals(new long[] {2, 2}, corner.shape());
    assertEquals(7, corner.rowStride());
    assertEquals(3, corner.get(1, 1));
    // Empty slices at every end are legal: their segment has no byte beyond the matrix.
    assertEquals(0, matrix.rowSlice(10, 10).rows());
    assertEquals(0, matrix.columnSlice(5, 5).columns());
    assertEquals(0, matrix.columnSlice(5, 5).segment().byteSize());
  }

  @Test
  void closedMemory() {
    Tensor tensor;
    try (Arena arena = Arena.ofConfined()) {
      tensor = Tensor.allocate(arena, DType.F32, 2);
    }
    assertThrows(IllegalStateException.class, () -> tensor.get(0, 0));
    assertThrows(IllegalStateException.class, () -> tensor.set(0, 0, 1));
  }

  @Test
  void overlapAgreesWithTheSetsOfTheirBytes() {
    SplittableRandom random = new SplittableRandom(5);
    int together = 0;
    int apart = 0;
    for (int number = 0; number < 4000; number++) {
      boolean heap = random.nextBoolean();
      MemorySegment memory = heap ? bytes(400) : Arena.ofAuto().allocate(400);
      long pitch = random.nextInt(4, 24);
      Tensor a = view(random, memory, pitch);
      Tensor b = view(random, memory, pitch);
      boolean shared = bytesOf(a, memory).intersects(bytesOf(b, memory));
      assertEquals(shared, a.overlaps(b), () -> a + " at " + start(a, memory) + ", " + b);
      assertEquals(shared, b.overlaps(a), () -> b + " at " + start(b, memory) + ", " + a);
      together += shared ? 1 : 0;
      apart += shared ? 0 : 1;
    }
    assertTrue(together > 500 && apart > 500, together + " overlap, " + apart + " do not");
  }

  /** A vector or a matrix of a given pitch in elements, anywhere in the memory. */
  private static Tensor view(SplittableRandom random, MemorySegment memory, long pitch) {
    MemorySegment from = memory.asSlice(4L * random.nextInt(0, 40));
    from = random.nextInt(8) == 0 ? from.asReadOnly() : from;
    if (random.nextInt(4) == 0) {
      return Tensor.of(from, DType.F32, random.nextInt(0, 12));
    }
    long rows = random.nextInt(0, 3);
    return Tensor.strided(from, DType.F32, rows, random.nextLong(0, pitch + 1), pitch);
  }

  private static BitSet bytesOf(Tensor tensor, MemorySegment memory) {
    BitSet bytes = new BitSet();
    int start = (int) start(tensor, memory);
    for (int row = 0; row < tensor.rows(); row++) {
      int at = start + row * (int) tensor.rowStride() * 4;
      bytes.set(at, at + (int) tensor.columns() * 4);
    }
    return bytes;
  }

  private static long start(Tensor tensor, MemorySegment memory) {
    return tensor.segment().address() - memory.address();
  }

  @Test
  void heapAndNativeMemoryNeverOverlap() {
    Tensor heap = Tensor.of(new float[4], 4);
    Tensor other = Tensor.of(new float[4], 4);
    Tensor host = Tensor.allocate(Arena.ofAuto(), DType.F32, 4);
    assertFalse(heap.overlaps(other));
    assertFalse(heap.overlaps(host));
    assertFalse(host.overlaps(heap));
    assertTrue(heap.overlaps(heap));
    assertTrue(host.overlaps(host));
  }
}
