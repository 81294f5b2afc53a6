package dev.borealis.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LinearScheduleTest {
  @Test
  void risesFromZeroToThePeakAndFallsToZero() {
    var schedule = LinearSchedule.withWarmupRatio(0.8, 0.2, 10);
    assertEquals(2, schedule.warmupSteps());
    double[] expected = {0, 0.4, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0};
    for (int step = 0; step < expected.length; step++) {
      assertEquals(expected[step], schedule.at(step), 1e-15, "step " + step);
    }
  }

  @Test
  void startsAtThePeakWithoutWarmUp() {
    var schedule = LinearSchedule.withWarmupRatio(1, 0, 4);
    assertEquals(1, schedule.at(0));
    assertEquals(0.25, schedule.at(3));
    assertEquals(0, schedule.at(4));
  }

  @Test
  void roundsTheWarmUpUp() {
    assertEquals(7, LinearSchedule.withWarmupRatio(1, 0.06, 101).warmupSteps());
  }

  @Test
  void mayBeAllWarmUp() {
    var schedule = LinearSchedule.withWarmupRatio(1, 1, 4);
    assertEquals(0.75, schedule.at(3));
    assertEquals(0, schedule.at(4));
  }

  @Test
  void refusesWhatIsOutOfRangeByName() {
    assertRefused("peak", () -> new LinearSchedule(Double.NaN, 0, 1));
    assertRefused("peak", () -> new LinearSchedule(-1, 0, 1));
    assertRefused("totalSteps", () -> new LinearSchedule(1, 0, 0));
    assertRefused("warmupSteps", () -> new LinearSchedule(1, 3, 2));
    assertRefused("warmupRatio", () -> LinearSchedule.withWarmupRatio(1, Double.NaN, 2));
    assertRefused("step", () -> new LinearSchedule(1, 0, 1).at(-1));
  }

  private static void assertRefused(String name, Runnable call) {
    var error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(String.valueOf(error.getMessage()).startsWith(name + ":"), error.toString());
  }
}
