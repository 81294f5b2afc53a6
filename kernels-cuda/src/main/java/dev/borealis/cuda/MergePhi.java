package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** φ of an adapter with its parameters in double, as the kernel {@code merge_phi} takes it. */
final class MergePhi {
  private final AdapterSpec spec;
  private final Map<Parameter, DoubleMatrix> parameters = new EnumMap<>(Parameter.class);

  MergePhi(AdapterWeights weights, MergeMemory memory) {
    spec = weights.spec();
    for (Parameter parameter :
        List.of(Parameter.H, Parameter.MIXER, Parameter.SPLINE, Parameter.BETA)) {
      if (weights.parameters().contains(parameter)) {
        parameters.put(parameter, memory.widen(weights.get(parameter)));
      }
    }
  }

  int rank() {
    return spec.rank();
  }

  int downRank() {
    return spec.downRank();
  }

  /** Writes the members that don't depend on Z. */
  void write(MemorySegment arguments) {
    set(arguments, "r", spec.rank());
    set(arguments, "ra", spec.downRank());
    set(arguments, "kind", PhiArguments.kind(spec.nonlinearity()));
    address(arguments, "matrix", Parameter.H);
    address(arguments, "matrix", Parameter.MIXER);
    address(arguments, "spline", Parameter.SPLINE);
    address(arguments, "beta", Parameter.BETA);
    switch (spec.nonlinearity()) {
      case Nonlinearity.Pointwise(var f) -> set(arguments, "activation", PhiArguments.code(f));
      case Nonlinearity.Aurora a -> {
        set(arguments, "activation", PhiArguments.code(a.activation()));
        set(arguments, "fixedTerm", a.fixedTerm() ? 1 : 0);
        set(arguments, "splineTerm", a.splineTerm() ? 1 : 0);
        set(arguments, "splineMode", PhiArguments.code(a.mode()));
        set(arguments, "gridSize", a.grid().size());
        arguments.set(JAVA_DOUBLE, offset("gridMin"), a.grid().min());
        arguments.set(JAVA_DOUBLE, offset("step"), a.grid().step());
      }
      case Nonlinearity.Swish s -> {}
      case Nonlinearity.SwiGlu s -> {}
      case Nonlinearity.Mixer m -> {}
    }
  }

  private static long offset(String member) {
    return Structs.offset(MergeStructs.PHI, member);
  }

  private static void set(MemorySegment arguments, String member, int value) {
    arguments.set(JAVA_INT, offset(member), value);
  }

  private void address(MemorySegment arguments, String member, Parameter parameter) {
    DoubleMatrix matrix = parameters.get(parameter);
    if (matrix != null) {
      arguments.set(JAVA_LONG, offset(member), matrix.address());
    }
  }
}
