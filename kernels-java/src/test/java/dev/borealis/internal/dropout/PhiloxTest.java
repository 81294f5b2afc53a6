package dev.borealis.internal.dropout;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class PhiloxTest {
  /** The word itself: the largest threshold that it reaches, found bit by bit. */
  private static int word(int index, long low, int high2, int high3, long seed) {
    int word = 0;
    for (int bit = 31; bit >= 0; bit--) {
      int trial = word | 1 << bit;
      if ((Philox.atLeast(low, high2, high3, seed, trial) >>> index & 1) != 0) {
        word = trial;
      }
    }
    return word;
  }

  private static String words(long low, int high2, int high3, long seed) {
    StringBuilder words = new StringBuilder();
    for (int i = 0; i < 4; i++) {
      words.append(String.format("%08x ", word(i, low, high2, high3, seed)));
    }
    return words.toString().trim();
  }

  // The three known answers that the authors publish with their generator.

  @Test
  void zeroCounterAndKey() {
    assertEquals("6627e8d5 e169c58d bc57ac4c 9b00dbd8", words(0, 0, 0, 0));
  }

  @Test
  void allOnes() {
    assertEquals("408f276d 41c83b0e a20bc7c6 6d5451fd", words(-1, -1, -1, -1));
  }

  @Test
  void digitsOfPi() {
    assertEquals(
        "d16cfe09 94fdcceb 5001e420 24126ea1",
        words(0x85a308d3243f6a88L, 0x13198a2e, 0x03707344, 0x299f31d0a4093822L));
  }

  @Test
  void everyWordReachesZero() {
    assertEquals(0b1111, Philox.atLeast(3, 1, 4, 1, 0));
  }
}
