package dev.borealis.jmh.compare;

import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.Method;
import dev.borealis.jmh.peer.Blas;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;

/**
 * φ over a BLAS library, written as its user would: a row a rank unit, tokens side by side, so that
 * loops run over whole vectors and small matrices are products. What backward needs again is kept
 * from forward. Lanes behind the last token are 0 in gradients.
 */
abstract class BlasPhi {
  final int rank;

  /** Floats between rows: the tokens, rounded up to whole vectors. */
  final int stride;

  private final Problem problem;
  private final Arena arena;
  private final Map<Parameter, MemorySegment> gradients = new EnumMap<>(Parameter.class);

  BlasPhi(Problem problem, int stride, Arena arena) {
    this.problem = problem;
    this.rank = problem.spec().rank();
    this.stride = stride;
    this.arena = arena;
    for (Parameter parameter : problem.spec().parameters()) {
      if (parameter != Parameter.A && parameter != Parameter.B) {
        gradients.put(parameter, arena.allocate(weight(parameter).byteSize(), 64));
      }
    }
  }

  /** {@return φ of a method that has one} */
  static BlasPhi of(
      Method method, Blas blas, Elementary elementary, Problem problem, int stride, Arena arena) {
    return switch (method) {
      case LORA -> throw new IllegalArgumentException("LoRA has no φ");
      case AURORA -> new BlasAurora(blas, elementary, problem, stride, arena);
      case NORA, NOLORA -> new BlasSwish(elementary, problem, stride, arena);
    };
  }

  /** {@code u = φ(z)}. */
  abstract void forward(MemorySegment z, MemorySegment u);

  /** {@code dz} from {@code g}, the gradient by u; adds to the parameters' gradients. */
  abstract void backward(MemorySegment z, MemorySegment g, MemorySegment dz);

  final MemorySegment weight(Parameter parameter) {
    return problem.weights().get(parameter).segment();
  }

  final MemorySegment gradient(Parameter parameter) {
    MemorySegment gradient = gradients.get(parameter);
    if (gradient == null) {
      throw new IllegalArgumentException(parameter + " is no parameter of φ here");
    }
    return gradient;
  }

  /** {@return the gradients of φ's parameters} */
  final Map<Parameter, MemorySegment> gradients() {
    return gradients;
  }

  /** {@return zeroed memory for some rows} */
  final MemorySegment rows(int count) {
    return arena.allocate(4L * count * stride, 64);
  }

  final MemorySegment row(MemorySegment block, int row) {
    return block.asSlice(4L * row * stride, 4L * stride);
  }

  static float at(MemorySegment segment, int index) {
    return segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
  }

  static void add(MemorySegment segment, int index, float value) {
    segment.setAtIndex(ValueLayout.JAVA_FLOAT, index, at(segment, index) + value);
  }
}
