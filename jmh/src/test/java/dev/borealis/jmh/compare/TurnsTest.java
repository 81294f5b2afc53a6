package dev.borealis.jmh.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TurnsTest {
  @Test
  void everyTurnIsTimedEveryRoundAndSlotsRotate() {
    int[] calls = new int[3];
    Turns.Turn rotating = new Turns.Turn("rotating", 3, slot -> calls[slot]++);
    Turns.Turn other = new Turns.Turn("other", 1, slot -> assertEquals(0, slot));
    List<Timing> timings = Turns.time(List.of(rotating, other), List.of(1e5, 1e9), 0);
    assertEquals(List.of("rotating", "other"), timings.stream().map(Timing::name).toList());
    for (Timing timing : timings) {
      assertEquals(5, timing.nanos().length);
      assertEquals(0, timing.bytesPerCall(), "the stopwatch's own garbage doesn't count");
    }
    // Five rounds of 20 calls and one to wake the caches.
    assertEquals(105, IntStream.of(calls).sum());
    assertTrue(IntStream.of(calls).allMatch(count -> count >= 34), calls[0] + " " + calls[1]);
  }

  @Test
  void warmUpWaitsUntilThereIsNoGarbage() {
    Object[] kept = new Object[1];
    int[] calls = new int[1];
    Turns.Turn turn =
        new Turns.Turn(
            "garbage at first",
            1,
            slot -> {
              if (calls[0]++ < 3_000_000) {
                kept[0] = new byte[16];
              }
            });
    Turns.warmUp(turn, true, 60);
    assertTrue(calls[0] > 3_000_000, calls[0] + " calls");
  }
}
