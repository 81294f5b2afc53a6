package dev.borealis.jmh.compare;

import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.peer.Blas;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;

/** {@code ΔW = s·B·A}: one product, in F32, into memory that is kept. */
final class BlasMerge implements Contender.Prepared {
  private final Blas blas;
  private final Arena arena = Arena.ofShared();
  private final int in;
  private final int out;
  private final int rank;
  private final float scale;
  private final MemorySegment a;
  private final MemorySegment b;
  private final MemorySegment delta;

  BlasMerge(Blas blas, Problem problem) {
    this.blas = blas;
    in = problem.spec().inFeatures();
    out = problem.spec().outFeatures();
    rank = problem.spec().rank();
    scale = problem.spec().scale();
    a = problem.weights().get(Parameter.A).segment();
    b = problem.weights().get(Parameter.B).segment();
    delta = arena.allocate(4L * in * out, 64);
  }

  @Override
  public void run(int slot) {
    blas.sgemm(false, false, out, in, rank, scale, b, rank, a, in, 0, delta, in);
  }

  @Override
  public void reset() {
    delta.fill((byte) 0);
  }

  @Override
  public Outputs outputs() {
    return new Outputs(delta.toArray(ValueLayout.JAVA_FLOAT), Map.of());
  }

  @Override
  public void close() {
    arena.close();
  }
}
