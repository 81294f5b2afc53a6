package dev.borealis.jmh.cpu;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * What the machine can do: plain loops on one thread, each as little work as its purpose allows.
 */
public final class Limits {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = S.length();
  private static final long V = LANES * 4L;
  private static final ByteOrder O = ByteOrder.nativeOrder();
  private static final int PEAK_STEPS = 40_000;

  /** Flops of one call of {@link #peak}. */
  public static final double PEAK_FLOPS = 2.0 * 12 * LANES * PEAK_STEPS;

  // Results go here, or the compiler would drop the loops.
  @SuppressWarnings("UnusedVariable")
  private static volatile float sink;

  private Limits() {}

  /** Twelve independent chains of fused multiply-adds in registers. */
  public static void peak() {
    FloatVector m = FloatVector.broadcast(S, 0.5f);
    FloatVector a = m;
    FloatVector b = m;
    FloatVector c = m;
    FloatVector d = m;
    FloatVector e = m;
    FloatVector f = m;
    FloatVector g = m;
    FloatVector h = m;
    FloatVector i = m;
    FloatVector j = m;
    FloatVector k = m;
    FloatVector l = m;
    for (int step = 0; step < PEAK_STEPS; step++) {
      a = a.fma(m, m);
      b = b.fma(m, m);
      c = c.fma(m, m);
      d = d.fma(m, m);
      e = e.fma(m, m);
      f = f.fma(m, m);
      g = g.fma(m, m);
      h = h.fma(m, m);
      i = i.fma(m, m);
      j = j.fma(m, m);
      k = k.fma(m, m);
      l = l.fma(m, m);
    }
    FloatVector sum = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(i).add(j).add(k);
    sink = sum.add(l).lane(0);
  }

  /**
   * Reads floats once.
   *
   * @param x native memory, a multiple of four vectors long
   */
  public static void read(MemorySegment x) {
    FloatVector a = FloatVector.zero(S);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    for (long at = 0; at < x.byteSize(); at += 4 * V) {
      a = a.add(FloatVector.fromMemorySegment(S, x, at, O));
      b = b.add(FloatVector.fromMemorySegment(S, x, at + V, O));
      c = c.add(FloatVector.fromMemorySegment(S, x, at + 2 * V, O));
      d = d.add(FloatVector.fromMemorySegment(S, x, at + 3 * V, O));
    }
    sink = a.add(b).add(c).add(d).lane(0);
  }

  /**
   * Reads and writes floats once, in place.
   *
   * @param y native memory, a multiple of a vector long
   */
  public static void update(MemorySegment y) {
    FloatVector summand = FloatVector.broadcast(S, 1e-30f);
    for (long at = 0; at < y.byteSize(); at += V) {
      FloatVector.fromMemorySegment(S, y, at, O).add(summand).intoMemorySegment(y, at, O);
    }
  }
}
