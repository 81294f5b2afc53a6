package dev.borealis.internal.dropout;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class DropoutMaskTest {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private static DropoutMask mask(double p, long columns, boolean unit) {
    return new DropoutMask(p, 0x123456789abcdefL, 77, DropoutMask.INPUT, columns, unit);
  }

  @Test
  void knownWordsDecideTheFirstBlock() {
    // Words of counter 0, key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8; p = 0.7 is b3333333.
    DropoutMask mask = new DropoutMask(0.7, 0, 0, 0, 4, false);
    float kept = (float) (1 / (1 - 0.7));
    assertEquals(0f, mask.at(0, 0));
    assertEquals(kept, mask.at(0, 1));
    assertEquals(kept, mask.at(0, 2));
    assertEquals(0f, mask.at(0, 3));
  }

  @Test
  void thresholdIsFlooredAndUnsigned() {
    assertEquals(0, DropoutMask.threshold(0));
    assertEquals(0, DropoutMask.threshold(0x1p-33));
    assertEquals(0x40000000, DropoutMask.threshold(0.25));
    assertEquals(0x80000000, DropoutMask.threshold(0.5));
    assertEquals(0xffffffff, DropoutMask.threshold(Math.nextDown(1.0)));
  }

  @Test
  void rectanglesOfAnyPlaceAgreeWithSingleEntries() {
    for (long columns : new long[] {1, 2, 3, 4, 7, 64}) {
      for (boolean unit : new boolean[] {false, true}) {
        DropoutMask mask = mask(0.3, columns, unit);
        for (int column0 = 0; column0 < Math.min(columns, 6); column0++) {
          int width = (int) columns - column0;
          for (int row0 : new int[] {0, 1, 5}) {
            requireSame(mask, row0, 3, column0, width);
            requireSame(mask, row0, 3, column0, Math.max(1, width - 1));
          }
        }
      }
    }
  }

  private static void requireSame(DropoutMask mask, int row0, int rows, int column0, int columns) {
    int stride = columns + 2;
    int offset = 3;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment dst = arena.allocate(offset + 4L * rows * stride);
      dst.fill((byte) 0x7f);
      float untouched = dst.get(F32, 0);
      mask.fill(dst, offset, stride, row0, rows, column0, columns);
      for (int row = 0; row < rows; row++) {
        for (int column = 0; column < stride; column++) {
          float expected = column < columns ? mask.at(row0 + row, column0 + column) : untouched;
          assertEquals(expected, dst.get(F32, offset + 4L * (row * stride + column)));
        }
      }
    }
  }

  @Test
  void elementNumbersPast32BitsCount() {
    DropoutMask mask = mask(0.5, 1L << 20, false);
    long row = 1L << 14; // element 2^34: block 2^32, whose low counter word is 0 again
    float[] far = new float[64];
    float[] near = new float[64];
    mask.fill(MemorySegment.ofArray(far), 0, 64, row, 1, 0, 64);
    mask.fill(MemorySegment.ofArray(near), 0, 64, 0, 1, 0, 64);
    int different = 0;
    for (int i = 0; i < 64; i++) {
      assertEquals(mask.at(row, i), far[i]);
      different += far[i] != near[i] ? 1 : 0;
    }
    assertTrue(different > 0, "the upper counter word has no effect");
  }

  @Test
  void unitRowsAreAllRowZero() {
    DropoutMask unit = mask(0.5, 33, true);
    DropoutMask element = mask(0.5, 33, false);
    for (int column = 0; column < 33; column++) {
      assertEquals(element.at(0, column), unit.at(12, column));
    }
  }

  @Test
  void seedStepAndStreamAllMatter() {
    DropoutMask mask = new DropoutMask(0.5, 1, 2, 0, 256, false);
    String drawn = draw(mask);
    assertNotEquals(drawn, draw(new DropoutMask(0.5, 2, 2, 0, 256, false)));
    assertNotEquals(drawn, draw(new DropoutMask(0.5, 1L << 32 | 1, 2, 0, 256, false)));
    assertNotEquals(drawn, draw(new DropoutMask(0.5, 1, 3, 0, 256, false)));
    assertNotEquals(drawn, draw(new DropoutMask(0.5, 1, 2, 1, 256, false)));
    assertEquals(drawn, draw(new DropoutMask(0.5, 1, 2, 0, 256, false)));
  }

  private static String draw(DropoutMask mask) {
    StringBuilder drawn = new StringBuilder();
    for (int column = 0; column < mask.columns(); column++) {
      drawn.append(mask.at(0, column) == 0 ? '.' : 'x');
    }
    return drawn.toString();
  }

  @Test
  void shareOfDroppedEntriesIsP() {
    for (double p : new double[] {0.05, 0.25, 0.9}) {
      int n = 100_000;
      float[] values = new float[n];
      mask(p, n, false).fill(MemorySegment.ofArray(values), 0, n, 0, 1, 0, n);
      int dropped = 0;
      for (float value : values) {
        dropped += value == 0 ? 1 : 0;
      }
      // Five standard deviations; the draw is fixed, so this passes always or never.
      assertEquals(p, dropped / (double) n, 5 * Math.sqrt(p * (1 - p) / n));
    }
  }

  @Test
  void nothingIsDroppedAtZero() {
    assertEquals(1f, mask(0, 8, false).at(3, 5));
  }

  @Test
  void badArgumentsAreNamed() {
    assertThrows(IllegalArgumentException.class, () -> mask(1, 8, false));
    assertThrows(IllegalArgumentException.class, () -> mask(Double.NaN, 8, false));
    assertThrows(IllegalArgumentException.class, () -> mask(0.5, 0, false));
    assertThrows(IndexOutOfBoundsException.class, () -> mask(0.5, 8, false).at(0, 8));
  }
}
