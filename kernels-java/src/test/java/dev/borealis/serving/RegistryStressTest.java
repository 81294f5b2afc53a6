package dev.borealis.serving;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Parameter;
import dev.borealis.backend.Backend;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/**
 * Threads that run mixed batches while others swap and evict. A version's weights all hold one
 * number, which its output gives away: two numbers in one output, one that no version had, or one
 * of another name, are a version that wasn't whole, or memory used after it was freed.
 */
class RegistryStressTest {
  private static final int NAMES = 6;
  private static final int FEATURES = 48;
  private static final int ROWS = 12;
  private static final int READERS = 3;
  private static final int WRITERS = 2;
  private static final int BATCHES = 12_000;
  private static final int WRITES = 3000;
  private static final AdapterSpec SPEC = AdapterSpec.lora(FEATURES, FEATURES, 2).build();
  private static final long BYTES = 2 * 2 * FEATURES * 4;

  private final Backend backend = Backend.require("panama");
  // Room for all but one, so that loads evict, too; readers may hold all names.
  private final AdapterRegistry registry = new AdapterRegistry(backend, (NAMES - 1) * BYTES);
  private final AtomicInteger versions = new AtomicInteger();
  private final AtomicLong forwards = new AtomicLong();
  private final AtomicLong refused = new AtomicLong();

  /** The version's number, with the name in the remainder: exact in a float, as are the outputs. */
  private AdapterLoader version(int name) {
    int number = versions.incrementAndGet() * NAMES + name;
    return arena -> {
      AdapterWeights weights = AdapterWeights.allocate(SPEC, arena);
      fill(weights.get(Parameter.A), 1);
      fill(weights.get(Parameter.B), number);
      return Map.of("layer", weights);
    };
  }

  private static void fill(Tensor tensor, float value) {
    for (long row = 0; row < tensor.rows(); row++) {
      for (long column = 0; column < tensor.columns(); column++) {
        tensor.set(row, column, value);
      }
    }
  }

  private void write(SplittableRandom random) throws IOException {
    for (int i = 0; i < WRITES; i++) {
      int name = random.nextInt(NAMES);
      if (random.nextInt(5) == 0) {
        registry.evict("adapter " + name);
      } else {
        try {
          registry.load("adapter " + name, version(name));
        } catch (IllegalStateException e) {
          assertTrue(String.valueOf(e.getMessage()).contains("budget"), e.toString());
          refused.incrementAndGet();
        }
      }
    }
  }

  private void read(SplittableRandom random) {
    try (Arena arena = Arena.ofConfined()) {
      AdapterBatch batch = new AdapterBatch(backend, ROWS, NAMES);
      Tensor x = Tensor.allocate(arena, DType.F32, ROWS, FEATURES);
      Tensor y = Tensor.allocate(arena, DType.F32, ROWS, FEATURES);
      int[] numbers = new int[ROWS];
      for (int i = 0; i < BATCHES; i++) {
        fill(y, 0);
        x.segment().fill((byte) 0);
        for (int row = 0; row < ROWS; row++) {
          x.set(row, row, 1);
          numbers[row] = random.nextInt(-1, NAMES);
        }
        List<Lease> leases = new ArrayList<>();
        List<Adapter> adapters = new ArrayList<>();
        for (int name = 0; name < NAMES; name++) {
          Lease lease = registry.acquire("adapter " + name);
          adapters.add(lease == null ? null : lease.adapter("layer"));
          if (lease != null) {
            leases.add(lease);
          }
        }
        batch.assignRows(NAMES, numbers, ROWS);
        batch.forward(x, y, adapters);
        for (int row = 0; row < ROWS; row++) {
          assertWhole(y, row, numbers[row], adapters);
        }
        leases.forEach(Lease::close);
        forwards.incrementAndGet();
      }
    }
  }

  /** Each output is rank · number. */
  private void assertWhole(Tensor y, int row, int name, List<Adapter> adapters) {
    float value = y.get(row, 0);
    for (int column = 1; column < FEATURES; column++) {
      assertEquals(value, y.get(row, column));
    }
    if (name < 0 || adapters.get(name) == null) {
      assertEquals(0, value);
    } else {
      int number = (int) (value / SPEC.rank());
      assertEquals(value, number * SPEC.rank());
      assertEquals(name, number % NAMES);
      assertTrue(number / NAMES >= 1 && number / NAMES <= versions.get(), "version " + number);
    }
  }

  @Test
  void everyResultIsOfOneVersionAndNothingLeaks() throws Exception {
    for (int name = 0; name < NAMES - 1; name++) {
      registry.load("adapter " + name, version(name));
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(READERS + WRITERS)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < READERS + WRITERS; i++) {
        SplittableRandom random = new SplittableRandom(i);
        boolean reads = i < READERS;
        all.add(
            threads.submit(() -> {
              if (reads) {
                read(random);
              } else {
                write(random);
              }
              return null;
            }));
      }
      for (Future<?> thread : all) {
        thread.get();
      }
    }
    Counters counters = registry.counters();
    System.out.println(forwards + " batches, " + refused + " loads refused, " + counters);
    assertEquals(READERS * BATCHES, forwards.get());
    assertEquals((long) READERS * BATCHES * NAMES, counters.hits() + counters.misses());
    assertEquals(versions.get(), counters.loads() + refused.get());
    assertTrue(counters.swaps() > 0 && counters.evictions() > 0);
    // With no lease left, only what can be acquired is there.
    assertEquals(counters.resident(), counters.open());
    assertEquals(counters.resident() * BYTES, counters.bytes());
    assertEquals(counters.resident(), counters.loads() - counters.swaps() - counters.evictions());
    registry.close();
    assertEquals(0, registry.counters().open());
    assertEquals(0, registry.counters().bytes());
  }
}
