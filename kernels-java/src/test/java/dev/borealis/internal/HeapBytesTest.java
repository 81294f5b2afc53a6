package dev.borealis.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** The counter that other tests rely on sees an allocation, and sees none where there is none. */
class HeapBytesTest {
  @Test
  void countsWhatIsAllocated() {
    AtomicReference<int[]> sink = new AtomicReference<>(new int[0]);
    long bytes = HeapBytes.afterWarmUp(() -> sink.set(new int[100]));
    assertTrue(bytes >= 20 * 400, "bytes: " + bytes);
  }

  @Test
  void countsNothingWhereNothingIsAllocated() {
    int[] array = new int[1];
    assertEquals(0, HeapBytes.afterWarmUp(() -> array[0]++));
  }
}
