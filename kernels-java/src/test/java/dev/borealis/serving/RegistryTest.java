package dev.borealis.serving;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.adapter.Adapter;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Workspace;
import dev.borealis.backend.Backend;
import dev.borealis.io.PeftCheckpoint;
import dev.borealis.io.PeftException;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import dev.borealis.testing.Methods;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each operation of the registry, alone. */
class RegistryTest {
  private static final int FEATURES = 8;
  private static final AdapterSpec SPEC = AdapterSpec.lora(FEATURES, FEATURES, 2).build();
  // A and B, 2 · 8 numbers each.
  private static final long BYTES = 2 * 2 * FEATURES * 4;

  private final Backend backend = Backend.require("panama");
  private final AdapterRegistry registry = new AdapterRegistry(backend, 3 * BYTES);

  private static AdapterLoader seeded(int seed) {
    return arena -> Map.of("layer", Methods.weights(SPEC, seed, arena));
  }

  private Lease acquire(String name) {
    Lease lease = registry.acquire(name);
    assertNotNull(lease, name);
    return lease;
  }

  private static Adapter adapter(Lease lease) {
    Adapter adapter = lease.adapter("layer");
    assertNotNull(adapter);
    return adapter;
  }

  /** What the adapter makes of ones. */
  private static float output(Adapter adapter) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor x = Tensor.allocate(arena, DType.F32, 1, FEATURES);
      for (int i = 0; i < FEATURES; i++) {
        x.set(0, i, 1);
      }
      Tensor y = Tensor.allocate(arena, DType.F32, 1, FEATURES);
      Workspace workspace = adapter.workspace(1, Mode.INFERENCE, arena);
      adapter.forward(x, y, workspace);
      return y.get(0, 3);
    }
  }

  private float expected(int seed) {
    try (Arena arena = Arena.ofConfined();
        Adapter adapter = backend.prepare(Methods.weights(SPEC, seed, arena))) {
      return output(adapter);
    }
  }

  private void assertCounters(Counters expected) {
    assertEquals(expected, registry.counters());
  }

  @Test
  void loadsAndLeases() throws IOException {
    assertNull(registry.acquire("a"));
    registry.load("a", seeded(1));
    try (Lease lease = acquire("a")) {
      assertEquals("a", lease.name());
      assertEquals(Set.of("layer"), lease.modules());
      assertNull(lease.adapter("another"));
      assertEquals(expected(1), output(adapter(lease)));
      assertCounters(new Counters(1, 1, 1, 0, 0, 1, 1, BYTES));
    }
    registry.close();
    assertCounters(new Counters(1, 1, 1, 0, 0, 0, 0, 0));
  }

  @Test
  void swapsWhileLeased() throws IOException {
    registry.load("a", seeded(1));
    Lease old = acquire("a");
    registry.load("a", seeded(2));
    assertCounters(new Counters(1, 0, 2, 1, 0, 1, 2, 2 * BYTES));
    Adapter oldAdapter = adapter(old);
    try (Lease now = acquire("a")) {
      assertEquals(expected(2), output(adapter(now)));
      assertEquals(expected(1), output(oldAdapter));
      old.close();
      assertEquals(expected(2), output(adapter(now)));
    }
    assertCounters(new Counters(2, 0, 2, 1, 0, 1, 1, BYTES));
    assertThrows(IllegalStateException.class, () -> output(oldAdapter));
    registry.close();
  }

  @Test
  void evictsByName() throws IOException {
    registry.load("a", seeded(1));
    Lease lease = acquire("a");
    assertTrue(registry.evict("a"));
    assertFalse(registry.evict("a"));
    assertNull(registry.acquire("a"));
    assertEquals(expected(1), output(adapter(lease)));
    assertCounters(new Counters(1, 1, 1, 0, 1, 0, 1, BYTES));
    lease.close();
    assertCounters(new Counters(1, 1, 1, 0, 1, 0, 0, 0));
    registry.load("a", seeded(2));
    try (Lease again = acquire("a")) {
      assertEquals(expected(2), output(adapter(again)));
    }
    registry.close();
  }

  @Test
  void closingALeaseTwiceEndsOneUse() throws IOException {
    registry.load("a", seeded(1));
    Lease first = acquire("a");
    Lease second = acquire("a");
    first.close();
    first.close();
    first.close();
    assertEquals(expected(1), output(adapter(second)));
    String message =
        assertThrows(IllegalStateException.class, () -> first.adapter("layer")).toString();
    assertTrue(message.contains("lease of a"), message);
    registry.close();
    registry.close();
    assertEquals(expected(1), output(adapter(second)));
    assertEquals(1, registry.counters().open());
    second.close();
    assertEquals(0, registry.counters().open());
  }

  @Test
  void makesRoomByTakingTheLeastRecentlyAcquired() throws IOException {
    registry.load("a", seeded(1));
    registry.load("b", seeded(2));
    registry.load("c", seeded(3));
    acquire("a").close();
    registry.load("d", seeded(4));
    assertNull(registry.acquire("b"));
    acquire("c").close();
    registry.load("e", seeded(5));
    assertNull(registry.acquire("a"));
    acquire("c").close();
    acquire("d").close();
    acquire("e").close();
    assertCounters(new Counters(5, 2, 5, 0, 2, 3, 3, 3 * BYTES));
    registry.close();
  }

  @Test
  void leasedAdaptersStay() throws IOException {
    registry.load("a", seeded(1));
    registry.load("b", seeded(2));
    registry.load("c", seeded(3));
    try (Lease a = acquire("a")) {
      registry.load("d", seeded(4));
      registry.load("e", seeded(5));
      registry.load("f", seeded(6));
      assertEquals(expected(1), output(adapter(a)));
      assertNull(registry.acquire("d"));
    }
    registry.load("g", seeded(7));
    registry.close();
  }

  @Test
  void refusesWhatLeasesLeaveNoRoomFor() throws IOException {
    registry.load("a", seeded(1));
    registry.load("b", seeded(2));
    registry.load("c", seeded(3));
    try (Lease a = acquire("a");
        Lease b = acquire("b")) {
      AdapterLoader two =
          arena ->
              Map.of("x", Methods.weights(SPEC, 4, arena), "y", Methods.weights(SPEC, 5, arena));
      String message =
          assertThrows(IllegalStateException.class, () -> registry.load("d", two)).toString();
      assertTrue(message.contains("d: expected room for " + 2 * BYTES), message);
      // Nor was c evicted in vain.
      acquire("c").close();
      assertEquals(3, registry.counters().open());
      assertEquals(expected(1), output(adapter(a)));
      assertEquals(expected(2), output(adapter(b)));
      // A swap frees what it replaces: no room needed.
      registry.load("c", seeded(9));
    }
    assertEquals(3 * BYTES, registry.counters().bytes());
    registry.close();
  }

  @Test
  void refusesWhatIsBeyondTheBudgetAlone() {
    AdapterRegistry small = new AdapterRegistry(backend, BYTES - 1);
    assertThrows(IllegalArgumentException.class, () -> small.load("a", seeded(1)));
    assertEquals(new Counters(0, 0, 0, 0, 0, 0, 0, 0), small.counters());
    assertThrows(IllegalArgumentException.class, () -> new AdapterRegistry(backend, -1));
  }

  @Test
  void aFailedLoadLeavesTheOldVersion() throws IOException {
    registry.load("a", seeded(1));
    assertThrows(
        IOException.class,
        () ->
            registry.load(
                "a",
                arena -> {
                  throw new IOException("no file");
                }));
    try (Lease a = acquire("a")) {
      assertEquals(expected(1), output(adapter(a)));
    }
    assertCounters(new Counters(1, 0, 1, 0, 0, 1, 1, BYTES));
    registry.close();
  }

  @Test
  void refusesEverythingWhenClosed() {
    registry.close();
    assertThrows(IllegalStateException.class, () -> registry.acquire("a"));
    assertThrows(IllegalStateException.class, () -> registry.evict("a"));
    assertThrows(IllegalStateException.class, () -> registry.load("a", seeded(1)));
  }

  @Test
  void loadsPeftDirectories(@TempDir Path directory) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      LinkedHashMap<String, AdapterWeights> modules = new LinkedHashMap<>();
      modules.put("layer", Methods.weights(SPEC, 1, arena));
      modules.put("other", Methods.weights(SPEC, 2, arena));
      PeftCheckpoint.save(directory, modules);
    }
    registry.load("a", AdapterLoader.peft(directory));
    try (Lease a = acquire("a")) {
      assertEquals(Set.of("layer", "other"), a.modules());
      assertEquals(expected(1), output(adapter(a)));
      Adapter other = a.adapter("other");
      assertNotNull(other);
      assertEquals(expected(2), output(other));
      // The file is unmapped and the copy freed: only the packed weights are kept.
      assertFalse(other.weights().get(Parameter.A).segment().scope().isAlive());
    }
    registry.close();
    assertThrows(
        PeftException.class,
        () ->
            new AdapterRegistry(backend, BYTES)
                .load("a", AdapterLoader.peft(directory.resolve("none"))));
  }
}
