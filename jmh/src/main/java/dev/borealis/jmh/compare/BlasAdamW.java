package dev.borealis.jmh.compare;

import static dev.borealis.jmh.compare.Elementary.Loops.BYTES;
import static dev.borealis.jmh.compare.Elementary.Loops.O;
import static dev.borealis.jmh.compare.Elementary.Loops.S;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/**
 * AdamW as a user of a BLAS library writes it: one pass over weights, gradients and moments, F32.
 */
final class BlasAdamW {
  private static final float BETA1 = (float) Training.BETA1;
  private static final float BETA2 = (float) Training.BETA2;
  private static final float EPSILON = (float) Training.EPSILON;

  private final List<MemorySegment> weights;
  private final List<MemorySegment> gradients;
  private final List<MemorySegment> m;
  private final List<MemorySegment> v;
  private long steps;

  /**
   * Begins with moments of 0.
   *
   * @param arena owner of the moments
   * @param weights F32
   * @param gradients of the same sizes
   */
  BlasAdamW(Arena arena, List<MemorySegment> weights, List<MemorySegment> gradients) {
    this.weights = weights;
    this.gradients = gradients;
    m = weights.stream().map(w -> arena.allocate(w.byteSize(), 64)).toList();
    v = weights.stream().map(w -> arena.allocate(w.byteSize(), 64)).toList();
  }

  /** Sets the moments to 0. */
  void restart() {
    steps = 0;
    m.forEach(moment -> moment.fill((byte) 0));
    v.forEach(moment -> moment.fill((byte) 0));
  }

  /** Updates all weights. */
  void step() {
    steps++;
    float keep = (float) Training.keep();
    float stepSize = (float) Training.stepSize(steps);
    float root = (float) Training.rootFactor(steps);
    for (int i = 0; i < weights.size(); i++) {
      update(weights.get(i), gradients.get(i), m.get(i), v.get(i), keep, stepSize, root);
    }
  }

  private static void update(
      MemorySegment weights,
      MemorySegment gradients,
      MemorySegment ms,
      MemorySegment vs,
      float keep,
      float stepSize,
      float root) {
    long whole = weights.byteSize() / BYTES * BYTES;
    for (long at = 0; at < whole; at += BYTES) {
      FloatVector g = FloatVector.fromMemorySegment(S, gradients, at, O);
      FloatVector m = FloatVector.fromMemorySegment(S, ms, at, O);
      m = g.sub(m).mul(1 - BETA1).add(m);
      m.intoMemorySegment(ms, at, O);
      FloatVector v = FloatVector.fromMemorySegment(S, vs, at, O);
      v = g.mul(g).mul(1 - BETA2).add(v.mul(BETA2));
      v.intoMemorySegment(vs, at, O);
      FloatVector down = m.mul(stepSize).div(v.sqrt().mul(root).add(EPSILON));
      FloatVector.fromMemorySegment(S, weights, at, O)
          .mul(keep)
          .sub(down)
          .intoMemorySegment(weights, at, O);
    }
    for (long at = whole; at < weights.byteSize(); at += Float.BYTES) {
      float g = at(gradients, at);
      float m = at(ms, at) + (1 - BETA1) * (g - at(ms, at));
      float v = BETA2 * at(vs, at) + (1 - BETA2) * g * g;
      set(ms, at, m);
      set(vs, at, v);
      float down = stepSize * m / ((float) Math.sqrt(v) * root + EPSILON);
      set(weights, at, keep * at(weights, at) - down);
    }
  }

  private static float at(MemorySegment segment, long offset) {
    return segment.get(ValueLayout.JAVA_FLOAT, offset);
  }

  private static void set(MemorySegment segment, long offset, float value) {
    segment.set(ValueLayout.JAVA_FLOAT, offset, value);
  }
}
