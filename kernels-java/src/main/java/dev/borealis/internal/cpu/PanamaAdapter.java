package dev.borealis.internal.cpu;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * An adapter on the CPU. Forward goes through a tile of {@link Block#TOKENS} tokens at a time:
 * down, φ, up, so that Z and U stay in cache while X is read once and Y updated once. Backward has
 * three stages: dU, φ and dZ by stripes of tokens; dB by columns of dY; dA and dX by columns of X.
 * For small ranks the first stage does everything, block by block, with sums of dA and dB for each
 * stripe, so that dY, X and dX pass by once, in whole rows; the others add up the stripes.
 *
 * <p>How work is cut depends on shapes alone and every sum has one order, so results have the same
 * bits on any number of threads; a row of Y also doesn't depend on the other rows.
 */
final class PanamaAdapter implements AdapterKernel {
  private static final int MAX_STRIPES = 16;
  // Stripes each have sums of their own: not more than this many floats in all.
  private static final long MAX_SUM_FLOATS = 1 << 20;
  // Up to here one stage does everything: the sums of a stripe are small beside its rows.
  private static final int MAX_FUSED_RANK = 16;
  private static final long MAX_FUSED_SUM_FLOATS = 1 << 22;
  // A stripe's sums are cleared and added up once, which costs as much as some tokens.
  private static final int MIN_FUSED_BLOCKS = 2;
  private static final long MIN_SHARED_FLOATS = 1 << 15;
  // A column group's part of dA or dB stays in L2 while all tokens pass by.
  private static final int GROUP_FLOATS = 1 << 16;
  private static final int MIN_GROUP = 64;
  private static final int MAX_GROUP = 1024;
  // Enough groups for a few threads, where that leaves them wide enough.
  private static final int MIN_GROUPS = 4;

  final AdapterSpec spec;
  final int rank;
  final int downRank;
  final int inFeatures;
  final int outFeatures;

  /** Floats between two rows of the sums of dA. */
  final long inStride;

  /** Floats between two rows of the sums of dB. */
  final long outStride;

  /** Floats in a stripe's sums: φ's parameters, then dv [r], then da [r_a]. */
  final long sumFloats;

  private final WorkerPool pool;
  private final Arena arena = Arena.ofShared();
  final Phi phi;
  final Packed a;
  // Bᵀ with g folded in.
  final Packed b;
  // Bᵀ without g, for dg; the same as b if there is no g.
  final Packed plainB;
  final float[] v;
  final MemorySegment downBias;
  final MemorySegment upBias;
  final float[] gain;
  // If the rank is large.
  final @Nullable WideProducts wide;
  final RankGradient rankGradient;
  final @Nullable StaticForm staticForm;
  final long phiFloats;
  final int outGroup;
  final int inGroup;
  final MaskedRows rows;
  final PanamaForward forward;
  final PanamaBackward backward;

  PanamaAdapter(AdapterWeights weights, WorkerPool pool) {
    this.spec = weights.spec();
    this.pool = pool;
    this.rank = spec.rank();
    this.downRank = spec.downRank();
    this.inFeatures = spec.inFeatures();
    this.outFeatures = spec.outFeatures();
    this.inStride = Species.wholeVectors(inFeatures);
    this.outStride = Species.wholeVectors(outFeatures);
    this.a = new Packed(arena, downRank, inFeatures);
    this.b = new Packed(arena, rank, outFeatures);
    this.plainB = has(Parameter.GAIN) ? new Packed(arena, rank, outFeatures) : b;
    this.v = new float[has(Parameter.V) ? rank : 0];
    this.gain = new float[has(Parameter.GAIN) ? outFeatures : 0];
    this.wide =
        rank < WideProducts.MIN_RANK
            ? null
            : new WideProducts(arena, rank, downRank, inFeatures, outFeatures);
    this.rankGradient = new RankGradient(arena, rank);
    this.downBias = arena.allocate(has(Parameter.A_BIAS) ? downRank * 4L : 64, 64);
    this.upBias = arena.allocate(has(Parameter.B_BIAS) ? outFeatures * 4L : 64, 64);
    // In the static form the pipeline is LoRA's with σ(A) for A, and φ acts on A around it.
    this.staticForm = spec.staticForm() ? new StaticForm(spec, arena) : null;
    this.phi =
        spec.staticForm() ? new PointwisePhi(rank, Activation.IDENTITY) : Phi.of(spec, arena);
    this.phiFloats = phiFloats(spec);
    this.sumFloats = phiFloats + rank + downRank;
    this.outGroup = wide == null ? group(rank, outFeatures) : WideProducts.GROUP;
    this.inGroup = wide == null ? group(downRank, inFeatures) : WideProducts.GROUP;
    this.rows = new MaskedRows(spec);
    this.forward = new PanamaForward(this);
    this.backward = new PanamaBackward(this);
    repack(weights);
  }

  boolean has(Parameter parameter) {
    return spec.parameters().contains(parameter);
  }

  private static long phiFloats(AdapterSpec spec) {
    long floats = 0;
    for (Parameter parameter : spec.parameters()) {
      if (Phi.owns(parameter)) {
        long size = 1;
        for (long dimension : spec.shape(parameter)) {
          size *= dimension;
        }
        floats += size;
      }
    }
    return floats;
  }

  private static int group(int rows, int columns) {
    int width = Math.min(GROUP_FLOATS / rows, columns / MIN_GROUPS) / MIN_GROUP * MIN_GROUP;
    return Math.clamp(width, MIN_GROUP, MAX_GROUP);
  }

  @Override
  public void repack(AdapterWeights weights) {
    phi.pack(weights);
    if (staticForm != null) {
      staticForm.pack(weights, a);
    } else {
      a.pack(weights.get(Parameter.A));
    }
    b.packTransposed(
        weights.get(Parameter.B), has(Parameter.GAIN) ? weights.get(Parameter.GAIN) : null);
    if (wide != null) {
      wide.pack(a, b);
    }
    if (has(Parameter.GAIN)) {
      plainB.packTransposed(weights.get(Parameter.B), null);
      for (int i = 0; i < outFeatures; i++) {
        gain[i] = weights.get(Parameter.GAIN).get(0, i);
      }
    }
    for (int j = 0; j < v.length; j++) {
      v[j] = weights.get(Parameter.V).get(0, j);
    }
    if (has(Parameter.A_BIAS)) {
      Phi.copy(weights.get(Parameter.A_BIAS), downBias);
    }
    if (has(Parameter.B_BIAS)) {
      Phi.copy(weights.get(Parameter.B_BIAS), upBias);
    }
  }

  @Override
  public Scratch allocate(int maxTokens, Mode mode, Arena owner) {
    return new PanamaScratch(this, maxTokens, mode, owner);
  }

  /** {@return into how many stripes the tokens of a backward call are cut; depends on n alone} */
  int stripes(long tokens) {
    long blocks = blocks(tokens);
    long most =
        fused(tokens)
            ? Math.min(
                blocks / MIN_FUSED_BLOCKS,
                MAX_FUSED_SUM_FLOATS / (sumFloats + upSumFloats() + downSumFloats()))
            : Math.min(blocks, MAX_SUM_FLOATS / sumFloats);
    // Of few stripes an even number, which two threads share.
    return (int) (most < 2 ? 1 : Math.min(most, MAX_STRIPES) / 2 * 2);
  }

  /** Whether one stage does everything. */
  boolean fused(long tokens) {
    return rank <= MAX_FUSED_RANK || (wide == null && tokens <= RankGradient.MAX_TOKENS);
  }

  /** {@return how many sums of dA and dB are kept} */
  int columnSums(long tokens) {
    return fused(tokens) ? stripes(tokens) : 1;
  }

  /** {@return the floats of {@code Σ_n dZ Xd} [r_a], in rows of inStride} */
  long downSumFloats() {
    return downRank * inStride;
  }

  /**
   * {@return the floats of {@code Σ_n Ud dY} [r] and, below it, {@code Σ_n dY}, in rows of
   * outStride}
   */
  long upSumFloats() {
    return (rank + 1) * outStride;
  }

  /** {@return how many of those rows a call sums: the last is b's} */
  int upSumRows() {
    return has(Parameter.B_BIAS) ? rank + 1 : rank;
  }

  /**
   * {@return the number of blocks that tokens are cut into: an even one, which keeps two threads
   * busy to the end}
   */
  int blocks(long tokens) {
    int blocks = Block.count(tokens);
    return blocks <= 1 ? blocks : blocks + blocks % 2;
  }

  /** {@return where a block starts: all are of nearly the same size} */
  long firstToken(long tokens, long block) {
    int step = wide == null ? Block.STEP : Tiles.GEMM_ROWS;
    return Block.first(tokens, block, blocks(tokens), step);
  }

  int tokensOf(long tokens, long block) {
    return (int) (Math.min(tokens, firstToken(tokens, block + 1)) - firstToken(tokens, block));
  }

  // ---------------------------------------------------------------- forward

  @Override
  public void forward(Tensor x, Tensor y, CallOptions options, Scratch scratch) {
    PanamaScratch s = (PanamaScratch) scratch;
    s.begin(x, y, options);
    try {
      boolean parallel = shared(s) && shared(x) && shared(y);
      pool.run(blocks(x.rows()), parallel, s.forwardBlocks);
    } finally {
      s.end();
    }
  }

  private boolean shared(Tensor tensor) {
    return pool.sharesMemory(tensor.segment());
  }

  private boolean shared(PanamaScratch s) {
    // dB, because a workspace for no tokens has no z.
    return s.mode == Mode.INFERENCE || pool.sharesMemory(s.dB);
  }

  private boolean shared(AdapterGradients gradients) {
    for (Parameter parameter : COLUMN_WISE) {
      if (has(parameter) && !shared(gradients.get(parameter))) {
        return false;
      }
    }
    return true;
  }

  /** Parameters whose gradients the workers write. */
  private static final Parameter[] COLUMN_WISE = {
    Parameter.A, Parameter.B, Parameter.B_BIAS, Parameter.GAIN
  };

  // ---------------------------------------------------------------- backward

  @Override
  public void backward(
      Tensor x,
      Tensor dY,
      @Nullable Tensor dX,
      @Nullable AdapterGradients gradients,
      CallOptions forward,
      GradientOptions options,
      Scratch scratch) {
    PanamaScratch s = (PanamaScratch) scratch;
    s.begin(x, dY, forward);
    s.dX = dX;
    s.gradients = gradients;
    s.gradientOptions = options;
    try {
      boolean parallel = shared(s) && shared(x) && shared(dY) && (dX == null || shared(dX));
      if (gradients != null) {
        parallel &= shared(gradients);
        backward.clearSums(s);
      }
      direct(s, gradients);
      pool.run(stripes(x.rows()), parallel, s.backwardStripes);
      if (gradients != null && (!s.directB || has(Parameter.B_BIAS))) {
        boolean share = parallel && worthSharing(s, upSumFloats());
        pool.run(groups(outFeatures, outGroup), share, s.backwardOutputColumns);
      }
      // Small and large ranks have dX from the stripes.
      if (gradients != null ? !s.directA : wide == null && !fused(x.rows())) {
        boolean share = parallel && worthSharing(s, downSumFloats());
        pool.run(groups(inFeatures, inGroup), share, s.backwardInputColumns);
      }
      if (gradients != null) {
        backward.finish(s, gradients);
      }
    } finally {
      s.end();
    }
  }

  /** Adding up and writing a few sums takes less time than handing them over. */
  private boolean worthSharing(PanamaScratch s, long sumFloats) {
    long tokens = s.x().rows();
    return !fused(tokens) || stripes(tokens) * sumFloats >= MIN_SHARED_FLOATS;
  }

  /** One stripe needs no sums of its own where the gradients are F32 in native memory. */
  private void direct(PanamaScratch s, @Nullable AdapterGradients gradients) {
    long tokens = s.x().rows();
    // Nothing would be written for no tokens.
    if (gradients == null || tokens == 0) {
      s.directA = false;
      s.directB = false;
      return;
    }
    boolean few = tokens <= RankGradient.MAX_TOKENS;
    boolean one = fused(tokens) ? stripes(tokens) == 1 : few && wide != null;
    s.directA = one && staticForm == null && TileView.isDirect(gradients.get(Parameter.A));
    s.directB =
        one
            && few
            && (wide == null || !has(Parameter.B_BIAS))
            && gain.length == 0
            && rankGradient.takes(gradients.get(Parameter.B));
  }

  private static int groups(int columns, int group) {
    return (columns + group - 1) / group;
  }

  @Override
  public boolean compiledByUse() {
    return true;
  }

  @Override
  public void close() {
    arena.close();
  }
}
