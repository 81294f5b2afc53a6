package dev.borealis.jmh.compare;

import dev.borealis.adapter.Parameter;
import dev.borealis.jmh.peer.Blas;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An adapter as matrix products, with B and its gradient transposed. Z has a row a token (then one
 * token is a matter of matrix-vector products) or a row a rank unit.
 */
final class BlasCall implements Contender.Prepared {
  private final Blas blas;
  private final Problem problem;
  private final Call call;
  private final boolean tokenRows;
  private final @Nullable BlasPhi phi;
  private final Arena arena = Arena.ofShared();
  private final int in;
  private final int out;
  private final int rank;
  private final int tokens;
  private final float scale;

  /** Floats between rows of Z. */
  private final int stride;

  private final MemorySegment a;
  private final MemorySegment bT;
  private final MemorySegment z;
  private final MemorySegment u;
  private final MemorySegment dU;
  private final MemorySegment dZ;
  private final MemorySegment dA;
  private final MemorySegment dBT;
  private final @Nullable BlasAdamW optimiser;

  private BlasCall(
      Blas blas, @Nullable Elementary elementary, Problem problem, Call call, boolean tokenRows) {
    this.blas = blas;
    this.problem = problem;
    this.call = call;
    this.tokenRows = tokenRows;
    in = problem.spec().inFeatures();
    out = problem.spec().outFeatures();
    rank = problem.spec().rank();
    tokens = problem.tokens();
    scale = problem.spec().scale();
    int lanes = Elementary.Loops.LANES;
    stride = tokenRows ? rank : (tokens + lanes - 1) / lanes * lanes;
    long bytes = 4L * (tokenRows ? tokens : rank) * stride;
    phi =
        elementary == null
            ? null
            : BlasPhi.of(problem.method(), blas, elementary, problem, stride, arena);
    a = arena.allocate(4L * rank * in, 64);
    bT = arena.allocate(4L * rank * out, 64);
    dA = arena.allocate(4L * rank * in, 64);
    dBT = arena.allocate(4L * rank * out, 64);
    z = arena.allocate(bytes, 64);
    dU = arena.allocate(bytes, 64);
    u = phi == null ? z : arena.allocate(bytes, 64);
    dZ = phi == null ? dU : arena.allocate(bytes, 64);
    optimiser = call == Call.STEP ? new BlasAdamW(arena, List.of(a, bT), List.of(dA, dBT)) : null;
    loadWeights();
    if (call == Call.BACKWARD) {
      hidden(problem.batch(0).x().segment());
    }
  }

  private void loadWeights() {
    a.copyFrom(problem.weights().get(Parameter.A).segment());
    bT.copyFrom(
        MemorySegment.ofArray(
            transposed(Problem.floats(problem.weights().get(Parameter.B)), out, rank)));
  }

  /** {@return LoRA with a row of Z a token} */
  static BlasCall tokenRows(Blas blas, Problem problem, Call call) {
    return new BlasCall(blas, null, problem, call, true);
  }

  /**
   * {@return an adapter with a row of Z a rank unit}
   *
   * @param elementary functions for φ; none for LoRA
   */
  static BlasCall rankRows(Blas blas, @Nullable Elementary elementary, Problem problem, Call call) {
    return new BlasCall(blas, elementary, problem, call, false);
  }

  @Override
  public void run(int slot) {
    Problem.Batch batch = problem.batch(slot);
    if (call != Call.BACKWARD) {
      forward(batch.x().segment(), batch.y().segment());
    }
    if (call != Call.FORWARD) {
      backward(batch.x().segment(), batch.dY().segment(), batch.dX().segment());
    }
    if (optimiser != null) {
      optimiser.step();
    }
  }

  private void hidden(MemorySegment x) {
    if (tokenRows && tokens == 1) {
      blas.sgemv(false, rank, in, 1, a, x, 0, z);
    } else if (tokenRows) {
      blas.sgemm(false, true, tokens, rank, in, 1, x, in, a, in, 0, z, stride);
    } else {
      blas.sgemm(false, true, rank, tokens, in, 1, a, in, x, in, 0, z, stride);
    }
    if (phi != null) {
      phi.forward(z, u);
    }
  }

  private void forward(MemorySegment x, MemorySegment y) {
    hidden(x);
    if (tokenRows && tokens == 1) {
      blas.sgemv(true, rank, out, scale, bT, u, 1, y);
    } else if (tokenRows) {
      blas.sgemm(false, false, tokens, out, rank, scale, u, stride, bT, out, 1, y, out);
    } else {
      blas.sgemm(true, false, tokens, out, rank, scale, u, stride, bT, out, 1, y, out);
    }
  }

  private void backward(MemorySegment x, MemorySegment dY, MemorySegment dX) {
    if (tokenRows) {
      blas.sgemm(false, true, tokens, rank, out, scale, dY, out, bT, out, 0, dU, stride);
    } else {
      blas.sgemm(false, true, rank, tokens, out, scale, bT, out, dY, out, 0, dU, stride);
    }
    if (phi != null) {
      phi.backward(z, dU, dZ);
    }
    // A step begins with gradients of 0, which needs no zeroing.
    float keep = call == Call.STEP ? 0 : 1;
    blas.sgemm(tokenRows, false, rank, out, tokens, scale, u, stride, dY, out, keep, dBT, out);
    blas.sgemm(tokenRows, false, rank, in, tokens, 1, dZ, stride, x, in, keep, dA, in);
    blas.sgemm(!tokenRows, false, tokens, in, rank, 1, dZ, stride, a, in, 1, dX, in);
  }

  @Override
  public void reset() {
    problem.resetActivations();
    dA.fill((byte) 0);
    dBT.fill((byte) 0);
    if (optimiser != null) {
      loadWeights();
      optimiser.restart();
    }
    if (phi != null) {
      phi.gradients().values().forEach(gradient -> gradient.fill((byte) 0));
    }
  }

  @Override
  public Outputs outputs() {
    if (call == Call.FORWARD) {
      return new Outputs(Problem.floats(problem.batch(0).y()), Map.of());
    }
    if (call == Call.STEP) {
      return new Outputs(
          Problem.floats(problem.batch(0).y()),
          Map.of(
              Parameter.A, update(a.toArray(ValueLayout.JAVA_FLOAT), Parameter.A),
              Parameter.B,
                  update(transposed(bT.toArray(ValueLayout.JAVA_FLOAT), rank, out), Parameter.B)));
    }
    Map<Parameter, float[]> gradients = new EnumMap<>(Parameter.class);
    gradients.put(Parameter.A, dA.toArray(ValueLayout.JAVA_FLOAT));
    gradients.put(Parameter.B, transposed(dBT.toArray(ValueLayout.JAVA_FLOAT), rank, out));
    if (phi != null) {
      phi.gradients()
          .forEach((parameter, g) -> gradients.put(parameter, g.toArray(ValueLayout.JAVA_FLOAT)));
    }
    return new Outputs(Problem.floats(problem.batch(0).dX()), gradients);
  }

  private float[] update(float[] now, Parameter parameter) {
    return Training.update(now, Problem.floats(problem.weights().get(parameter)));
  }

  /** {@return the transpose of a matrix [rows, columns]} */
  static float[] transposed(float[] matrix, int rows, int columns) {
    float[] result = new float[matrix.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        result[j * rows + i] = matrix[i * columns + j];
      }
    }
    return result;
  }

  @Override
  public void close() {
    arena.close();
  }
}
