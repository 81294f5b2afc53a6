package dev.borealis.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every part once, on whichever thread; failures reach the caller, after all parts have ended. */
@Timeout(60)
class WorkerPoolTest {
  @ParameterizedTest
  @CsvSource({"1, 3000", "2, 3000", "4, 400"})
  void everyPartRunsExactlyOnce(int threads, int runs) {
    WorkerPool pool = new WorkerPool(threads);
    assertEquals(threads, pool.threads());
    SplittableRandom random = new SplittableRandom(threads);
    for (int run = 0; run < runs; run++) {
      int count = random.nextInt(0, 40);
      AtomicIntegerArray seen = new AtomicIntegerArray(count);
      pool.run(count, random.nextInt(8) > 0, seen::incrementAndGet);
      for (int part = 0; part < count; part++) {
        assertEquals(1, seen.get(part), "part " + part + " of run " + run);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void failureReachesTheCallerAfterAllPartsHaveEnded(int threads) {
    WorkerPool pool = new WorkerPool(threads);
    SplittableRandom random = new SplittableRandom(7);
    for (int run = 0; run < 500; run++) {
      int count = random.nextInt(2, 30);
      int bad = random.nextInt(count);
      RuntimeException failure = new RuntimeException("part " + bad);
      AtomicInteger started = new AtomicInteger();
      AtomicInteger ended = new AtomicInteger();
      RuntimeException thrown =
          assertThrows(
              RuntimeException.class,
              () ->
                  pool.run(
                      count,
                      true,
                      part -> {
                        started.incrementAndGet();
                        try {
                          if (part == bad) {
                            throw failure;
                          }
                        } finally {
                          ended.incrementAndGet();
                        }
                      }));
      assertSame(failure, thrown);
      assertEquals(started.get(), ended.get(), "parts under way when the caller returned");
      assertRunsAll(pool, count);
    }
  }

  @Test
  void errorsOfWorkersReachTheCallerToo() throws InterruptedException {
    WorkerPool pool = new WorkerPool(2);
    Thread caller = Thread.currentThread();
    CountDownLatch workerFailed = new CountDownLatch(1);
    AssertionError failure = new AssertionError("from the worker");
    AssertionError thrown =
        assertThrows(
            AssertionError.class,
            () ->
                pool.run(
                    2,
                    true,
                    part -> {
                      // Each thread gets one part: the caller waits in its own for the worker's.
                      if (Thread.currentThread() == caller) {
                        await(workerFailed);
                      } else {
                        workerFailed.countDown();
                        throw failure;
                      }
                    }));
    assertSame(failure, thrown);
    assertRunsAll(pool, 20);
  }

  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(30, TimeUnit.SECONDS), "the worker took no part");
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aPartThatRunsPartsDoesThemAlone() {
    WorkerPool pool = new WorkerPool(3);
    for (int run = 0; run < 200; run++) {
      AtomicIntegerArray inner = new AtomicIntegerArray(8 * 5);
      AtomicIntegerArray outer = new AtomicIntegerArray(8);
      pool.run(
          8,
          true,
          part -> {
            outer.incrementAndGet(part);
            Thread own = Thread.currentThread();
            pool.run(
                5,
                true,
                i -> {
                  assertSame(own, Thread.currentThread());
                  inner.incrementAndGet(part * 5 + i);
                });
          });
      for (int i = 0; i < outer.length(); i++) {
        assertEquals(1, outer.get(i), "part " + i);
      }
      for (int i = 0; i < inner.length(); i++) {
        assertEquals(1, inner.get(i), "inner part " + i);
      }
    }
  }

  @Test
  void callersAtTheSameTimeEachGetAllTheirParts() throws Exception {
    WorkerPool pool = new WorkerPool(3);
    try (ExecutorService callers = Executors.newFixedThreadPool(4)) {
      List<Future<?>> all = new ArrayList<>();
      for (int caller = 0; caller < 4; caller++) {
        int fails = caller;
        all.add(
            callers.submit(() -> {
              for (int run = 0; run < 500; run++) {
                assertRunsAll(pool, 1 + run % 17);
                if (fails == 0) {
                  String message = "run " + run;
                  IllegalStateException thrown =
                      assertThrows(
                          IllegalStateException.class,
                          () ->
                              pool.run(
                                  5,
                                  true,
                                  part -> {
                                    throw new IllegalStateException(message);
                                  }));
                  assertEquals(message, thrown.getMessage());
                }
              }
            }));
      }
      for (Future<?> caller : all) {
        caller.get();
      }
    }
  }

  @Test
  void anInterruptedCallerFinishesItsWorkAndStaysInterrupted() {
    WorkerPool pool = new WorkerPool(2);
    Thread.currentThread().interrupt();
    try {
      assertRunsAll(pool, 100);
    } finally {
      assertTrue(Thread.interrupted(), "still interrupted");
    }
  }

  private static void assertRunsAll(WorkerPool pool, int count) {
    AtomicIntegerArray seen = new AtomicIntegerArray(count);
    pool.run(count, true, seen::incrementAndGet);
    for (int part = 0; part < count; part++) {
      assertEquals(1, seen.get(part), "part " + part + " of " + count);
    }
  }
}
