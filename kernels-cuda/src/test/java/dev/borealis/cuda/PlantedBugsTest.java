package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.ffm.Context;
import dev.borealis.ffm.CudaException;
import dev.borealis.ffm.CudaModule;
import dev.borealis.ffm.Device;
import dev.borealis.ffm.DeviceBuffer;
import dev.borealis.ffm.Stream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the stand-in is for: it has to catch the mistakes that a GPU may let pass. */
@Tag(RunAll.APART)
class PlantedBugsTest {
  private static final int THREADS = 64;
  static final int NONE = 0;
  static final int MISSING_BARRIER = 1;
  private static final int STORE_BEHIND = 2;
  private static final int MISALIGNED = 3;
  private static final int DIVERGENT = 4;
  static final int EARLY_EXIT = 5;
  private static final int SHARED_STORE_BEHIND = 6;
  private static final int BANK_CONFLICT = 8;

  @BeforeAll
  static void onTheStandInOnly() {
    StandIn.assumeUsed();
  }

  @AfterEach
  void forwardAgain() {
    StandIn.order(StandIn.Order.FORWARD);
  }

  /** Runs the kernel with a mistake; returns what it put out. */
  static float[] run(int bug) {
    return run(bug, 1);
  }

  /** All blocks do the same, so that more than one write to the same places. */
  static float[] run(int bug, int blocks) {
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, new byte[] {1});
        DeviceBuffer in = DeviceBuffer.allocate(context, THREADS * 4);
        DeviceBuffer out = DeviceBuffer.allocate(context, THREADS * 4);
        Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(JAVA_FLOAT, THREADS);
      for (int i = 0; i < THREADS; i++) {
        host.setAtIndex(JAVA_FLOAT, i, i);
      }
      in.copyFrom(host, stream);
      MemorySegment arguments =
          arena.allocate(MemoryLayout.structLayout(ADDRESS, ADDRESS, JAVA_INT, JAVA_INT));
      arguments.set(JAVA_LONG, 0, out.address());
      arguments.set(JAVA_LONG, 8, in.address());
      arguments.set(JAVA_INT, 16, THREADS);
      arguments.set(JAVA_INT, 20, bug);
      module
          .function("planted")
          .launch()
          .grid(blocks)
          .block(THREADS)
          .dynamicSharedBytes(THREADS * 4)
          .arguments()
          .struct(arguments)
          .on(stream);
      out.copyTo(host, stream);
      stream.synchronize();
      return host.toArray(JAVA_FLOAT);
    }
  }

  private static void assertCaught(int bug, String... words) {
    String message = String.valueOf(assertThrows(CudaException.class, () -> run(bug)).getMessage());
    assertTrue(message.contains("no GPU"), message);
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
  }

  private static float[] expected() {
    float[] expected = new float[THREADS];
    for (int i = 0; i < THREADS; i++) {
      expected[i] = (i + 1) % THREADS;
    }
    return expected;
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void withoutAMistakeItPasses(StandIn.Order order) {
    StandIn.order(order);
    assertArrayEquals(expected(), run(NONE));
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void aMissingBarrierShowsAsNaN(StandIn.Order order) {
    StandIn.order(order);
    boolean missing = false;
    for (float value : run(MISSING_BARRIER)) {
      missing |= Float.isNaN(value);
    }
    assertTrue(missing, "a value that is not there yet");
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void aDivergentBarrierIsNamedWithBothLines(StandIn.Order order) {
    StandIn.order(order);
    assertCaught(DIVERGENT, "divergent barrier", "planted.cu");
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void aBarrierThatNotAllReachIsNamed(StandIn.Order order) {
    StandIn.order(order);
    assertCaught(EARLY_EXIT, "the barrier", "not all reach it");
  }

  @Test
  void aStoreBehindAnAllocationIsNamed() {
    assertCaught(STORE_BEHIND, "planted", "a write 0 bytes behind the " + THREADS * 4 + " bytes");
  }

  @Test
  void aStoreBehindSharedMemoryIsNamed() {
    assertCaught(SHARED_STORE_BEHIND, "planted", "shared memory");
  }

  @ParameterizedTest
  @EnumSource(StandIn.Order.class)
  void lanesThatMeetAtABankAreNamed(StandIn.Order order) {
    StandIn.order(order);
    assertCaught(BANK_CONFLICT, "bank conflict at planted.cu");
  }

  @Test
  void aMisalignedVectorIsNamed() {
    assertCaught(MISALIGNED, "misaligned read of 16 bytes", "thread 7");
  }

  @Test
  void aLaunchBeyondItsBoundsIsRefused() {
    try (Context context = Context.primary(Device.of(0));
        Stream stream = Stream.create(context);
        CudaModule module = CudaModule.load(context, new byte[] {1});
        Arena arena = Arena.ofConfined()) {
      MemorySegment arguments = arena.allocate(24);
      CudaException e =
          assertThrows(
              CudaException.class,
              () ->
                  module
                      .function("planted")
                      .launch()
                      .block(512)
                      .arguments()
                      .struct(arguments)
                      .on(stream));
      assertTrue(String.valueOf(e.getMessage()).contains("launch bounds"), e::getMessage);
      assertThrows(
          IllegalArgumentException.class,
          () -> module.function("planted").launch().arguments().struct(arena.allocate(16)));
    }
    assertFalse(StandIn.problem().isPresent());
  }
}
