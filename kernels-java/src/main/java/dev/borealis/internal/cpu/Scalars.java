package dev.borealis.internal.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Memory of the kernels' own, from which tiles load single floats. */
final class Scalars {
  // The shortest vector there is.
  private static final VectorSpecies<Float> PAIR = FloatVector.SPECIES_64;
  private static final int ALIGNMENT = 64;

  private Scalars() {}

  /** {@return memory for some floats, each of which can be loaded, the last one too} */
  static MemorySegment allocate(Arena arena, long count) {
    return arena.allocate(count * Float.BYTES + PAIR.vectorByteSize(), ALIGNMENT);
  }

  /**
   * {@return the float at an offset, in bytes, of memory that was allocated here}
   *
   * <p>As {@code MemorySegment.get}, but by a vector load. C2 adds up the failed speculations of
   * all that it inlines into a method, and from 100 on compiles the method without speculating. A
   * few stand to the account of {@code MemorySegment.get} once a process has used several layouts;
   * inlined 16 times into one tile, they made it 2 to 4 times slower, or not, depending on what the
   * process had done before.
   */
  static float load(MemorySegment memory, long offset) {
    return FloatVector.fromMemorySegment(PAIR, memory, offset, ByteOrder.nativeOrder()).lane(0);
  }
}
