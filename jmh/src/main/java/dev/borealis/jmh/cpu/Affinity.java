package dev.borealis.jmh.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Keeps the calling thread on one processor, where the operating system lets us. */
public final class Affinity {
  private static final int MASK_BYTES = 128;

  private Affinity() {}

  /**
   * Pins the calling thread alone; the JIT's threads stay free.
   *
   * @param processor from 0
   * @return whether it worked
   */
  public static boolean pin(int processor) {
    try (Arena arena = Arena.ofConfined()) {
      Linker linker = Linker.nativeLinker();
      MemorySegment symbol = linker.defaultLookup().find("sched_setaffinity").orElse(null);
      if (symbol == null) {
        return false;
      }
      MemorySegment mask = arena.allocate(MASK_BYTES, 8);
      mask.set(ValueLayout.JAVA_BYTE, processor / 8, (byte) (1 << processor % 8));
      Object result =
          linker
              .downcallHandle(
                  symbol,
                  FunctionDescriptor.of(
                      ValueLayout.JAVA_INT,
                      ValueLayout.JAVA_INT,
                      ValueLayout.JAVA_LONG,
                      ValueLayout.ADDRESS))
              .invokeWithArguments(0, (long) MASK_BYTES, mask);
      return Integer.valueOf(0).equals(result);
    } catch (Throwable e) {
      // Not Linux, or not allowed: the measurement is only noisier.
      return false;
    }
  }
}
