package dev.borealis.jmh;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RoundsTest {
  @Test
  void ratiosArePairedByRound() {
    // A machine that is ten times slower in the last rounds: the ratio is 2 all the same.
    Rounds rounds = new Rounds(new double[][] {{2, 4, 2.2, 20, 30}, {1, 2, 1, 10, 10}});
    assertArrayEquals(new double[] {2, 2, 2.2}, rounds.ratios(0, 1), 1e-12);
    assertEquals(5, rounds.count());
    assertEquals(4, rounds.median(0));
    assertEquals(1, rounds.fastest(1));
  }

  @Test
  void anEvenNumberOfRoundsHasItsMedianBetweenTwo() {
    assertEquals(2.5, new Rounds(new double[][] {{4, 1, 3, 2}}).median(0));
  }

  @Test
  void piecesTakeTurnsInAlternatingOrder() {
    List<Integer> order = new ArrayList<>();
    Rounds rounds = Rounds.of(0, 0, () -> note(order, 0), () -> note(order, 1));
    // The warm-up 0, 1; then rounds 0, 1 and 1, 0 and 0, 1 ..., each beginning where the last
    // ended.
    assertTrue(rounds.count() >= 5);
    assertEquals(List.of(0, 1, 0, 1, 0, 1), order.subList(0, 6));
    assertEquals(3 + rounds.count(), order.size());
  }

  /** Notes a piece once however often it runs in a row. */
  private static void note(List<Integer> order, int piece) {
    if (order.isEmpty() || order.getLast() != piece) {
      order.add(piece);
    }
  }
}
