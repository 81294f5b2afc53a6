package dev.borealis.internal.cpu;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterGradients;
import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Mode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.internal.dropout.DropoutMask;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final int MAX_STRIPES = 16;
  // Stripes each have sums of their own: not more than this many floats in all.
  private static final long MAX_SUM_FLOATS = 1 << 20;
  // Up to here one stage does everything: the sums of a stripe are small beside its rows.
  private static final int MAX_FUSED_RANK = 16;
  private static final long MAX_FUSED_SUM_FLOATS = 1 << 22;
  // A stripe's sums are cleared and added up once, which costs as much as some tokens.
  private static final int MIN_FUSED_BLOCKS = 2;
  private static final long MIN_SHARED_FLOATS = 1 << 15;
  // Floats of dY that stay in L2 from dU to dB, beside B and the sums of dB.
  private static final int FUSED_FLOATS = 80 << 10;
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
  private final Phi phi;
  private final Packed a;
  // Bᵀ with g folded in.
  private final Packed b;
  // Bᵀ without g, for dg; the same as b if there is no g.
  private final Packed plainB;
  private final float[] v;
  private final MemorySegment downBias;
  private final MemorySegment upBias;
  private final float[] gain;
  // If the rank is large.
  private final @Nullable WideProducts wide;
  private final RankGradient rankGradient;
  private final @Nullable StaticForm staticForm;
  private final long phiFloats;
  private final int outGroup;
  private final int inGroup;

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
    repack(weights);
  }

  private boolean has(Parameter parameter) {
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
  private boolean fused(long tokens) {
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

  /** {@return the number of blocks that tokens are cut into} */
  int blocks(long tokens) {
    int blocks = Block.count(tokens);
    // Blocks of a large rank take long: an even number, of nearly the same size, keeps two threads
    // busy to the end.
    return wide == null || blocks <= 1 ? blocks : blocks + blocks % 2;
  }

  private long firstToken(long tokens, long block) {
    return wide == null ? block * Block.TOKENS : Gemm.first(tokens, block, blocks(tokens));
  }

  private int tokensOf(long tokens, long block) {
    return (int) (Math.min(tokens, firstToken(tokens, block + 1)) - firstToken(tokens, block));
  }

  boolean isWide() {
    return wide != null;
  }

  boolean isStatic() {
    return staticForm != null;
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

  void forwardBlock(PanamaScratch s, int block) {
    Tensor x = s.x();
    long row = firstToken(x.rows(), block);
    int tokens = tokensOf(x.rows(), block);
    ThreadScratch own = ThreadScratch.current();
    boolean training = s.mode == Mode.TRAINING;
    TileView input = own.input;
    input(input, own, x, row, tokens, 0, inFeatures, training ? s.options() : null);

    MemorySegment z =
        training ? s.z : own.get(ThreadScratch.Slot.Z, (long) downRank * Block.TOKENS);
    long z0 = training ? (long) block * downRank * Block.ROW : 0;
    MemorySegment u = hidden(input, tokens, z, z0, s.options().scale(), own);
    if (training && spec.hiddenDropout() > 0) {
      maskHidden(u, 0, row, tokens, s.options(), own);
    }
    up(own, u, s.y(), s.options().output() == Update.ACCUMULATE, row, tokens);
  }

  /**
   * Adds the branch to at most {@link Block#TOKENS} rows of Y, in inference. Rows at even distances
   * are used where they lie, like any rows; others are gathered first.
   *
   * @param rows numbers of rows
   * @param from index of the first one
   * @param tokens how many
   */
  void forwardRows(Tensor x, Tensor y, int[] rows, int from, int tokens, float scale) {
    ThreadScratch own = ThreadScratch.current();
    int step = TileView.step(rows, from, tokens);
    TileView input = own.input;
    if (step > 0 && TileView.isDirect(x)) {
      input.direct(x, rows[from], 0, step);
    } else {
      input.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * inFeatures), inFeatures);
      input.gather(x, rows, from, tokens, inFeatures);
    }
    MemorySegment z = own.get(ThreadScratch.Slot.Z, (long) downRank * Block.TOKENS);
    MemorySegment u = hidden(input, tokens, z, 0, scale, own);
    TileView output = own.output;
    if (step > 0 && TileView.isDirect(y)) {
      output.direct(y, rows[from], 0, step);
      product(u, output, true, tokens, own);
    } else {
      output.staged(own.get(ThreadScratch.Slot.OUTPUT, tokens * outStride), outFeatures);
      output.gather(y, rows, from, tokens, outFeatures);
      product(u, output, true, tokens, own);
      output.scatter(y, rows, from, tokens, outFeatures);
    }
  }

  /** {@code Z = X Aᵀ + a} and {@code U = s·v ⊙ φ(Z)}, which is returned, for a block's tokens. */
  private MemorySegment hidden(
      TileView input, int tokens, MemorySegment z, long z0, float scale, ThreadScratch own) {
    int width = Block.width(tokens);
    if (wide != null) {
      wide.down(input, tokens, z, z0, own);
    } else {
      down(input, a, tokens, z, z0, own);
    }
    if (has(Parameter.A_BIAS)) {
      for (int j = 0; j < downRank; j++) {
        Block.shift(z, z0 + j * Block.ROW, width, downBias.get(F, j * 4L));
      }
    }
    MemorySegment u = own.get(ThreadScratch.Slot.U, (long) rank * Block.TOKENS);
    if (!phi.isIdentity()) {
      phi.forward(z, z0, u, 0, width, own);
    }
    for (int j = 0; j < rank; j++) {
      long line = j * Block.ROW;
      float factor = v.length == 0 ? scale : scale * v[j];
      if (phi.isIdentity()) {
        Block.scaled(z, z0 + line, u, line, width, factor);
      } else if (factor != 1) {
        Block.scale(u, line, width, factor);
      }
    }
    return u;
  }

  /** {@code out[j][i] = Σ_k in[i][k] · m[j][k]} for the tokens of a block; zero behind them. */
  private static void down(
      TileView in, Packed m, int tokens, MemorySegment out, long out0, ThreadScratch own) {
    Block.clearTail(out, out0, m.rows, tokens);
    Dot.run(
        in.segment,
        in.offset,
        in.stride,
        m.segment,
        0,
        m.panel,
        tokens,
        m.rows,
        m.columns,
        out,
        out0,
        4,
        Block.ROW,
        false,
        own.get(ThreadScratch.Slot.DOT, Dot.SCRATCH_FLOATS));
  }

  /** {@code Y = β·Y + Ud B (+ b)} for the tokens of a block. */
  private void up(ThreadScratch own, MemorySegment u, Tensor y, boolean add, long row, int tokens) {
    TileView output = own.output;
    boolean direct = TileView.isDirect(y);
    if (direct) {
      output.direct(y, row, 0);
    } else {
      output.staged(own.get(ThreadScratch.Slot.OUTPUT, tokens * outStride), outFeatures);
      if (add) {
        output.load(y, row, tokens, 0, outFeatures);
      }
    }
    product(u, output, add, tokens, own);
    if (!direct) {
      output.store(y, row, tokens, 0, outFeatures);
    }
  }

  private void product(
      MemorySegment u, TileView output, boolean add, int tokens, ThreadScratch own) {
    if (wide != null) {
      wide.up(u, 0, output, tokens, add, own);
    } else {
      Columns.product(u, 0, b, 0, outFeatures, rank, output, tokens, add, own);
    }
    if (has(Parameter.B_BIAS)) {
      Columns.addToRows(upBias, 0, output, tokens, outFeatures);
    }
  }

  /** Points the view to rows of a tensor, masked by the input dropout if options are given. */
  private void input(
      TileView view,
      ThreadScratch own,
      Tensor tensor,
      long row,
      int tokens,
      int column,
      int columns,
      @Nullable CallOptions dropout) {
    CallOptions masked = spec.inputDropout() > 0 ? dropout : null;
    if (TileView.isDirect(tensor) && masked == null) {
      view.direct(tensor, row, column);
      return;
    }
    view.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * columns), columns);
    view.load(tensor, row, tokens, column, columns);
    if (masked != null) {
      view.multiply(maskInput(row, tokens, column, columns, masked, own), tokens, columns);
    }
  }

  private MemorySegment maskInput(
      long row, int tokens, int column, int columns, CallOptions options, ThreadScratch own) {
    MemorySegment mask = own.get(ThreadScratch.Slot.MASK, (long) tokens * columns);
    DropoutMask.fill(
        spec.inputDropout(),
        options.seed(),
        options.step(),
        DropoutMask.INPUT,
        false,
        inFeatures,
        mask,
        0,
        columns,
        row,
        tokens,
        column,
        columns);
    return mask;
  }

  /** {@code block ⊙= m_h}. */
  private void maskHidden(
      MemorySegment block, long b0, long row, int tokens, CallOptions options, ThreadScratch own) {
    boolean unit = spec.hiddenDropoutMode() == HiddenDropoutMode.UNIT;
    MemorySegment mask = own.get(ThreadScratch.Slot.MASK, (long) tokens * rank);
    DropoutMask.fill(
        spec.hiddenDropout(),
        options.seed(),
        options.step(),
        DropoutMask.HIDDEN,
        unit,
        rank,
        mask,
        0,
        rank,
        row,
        unit ? 1 : tokens,
        0,
        rank);
    Block.mask(block, b0, rank, tokens, mask, unit ? 0 : rank);
  }

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
        clearSums(s);
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
        finishGradients(s, gradients);
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

  private void clearSums(PanamaScratch s) {
    long count = stripes(s.x().rows()) * sumFloats;
    for (long i = 0; i < count; i++) {
      s.sums.set(F, i * 4, 0);
    }
  }

  /** From dY and Z: Ud and dZ of a stripe's blocks, and the sums of what lies between A and B. */
  void backwardStripe(PanamaScratch s, int stripe) {
    Tensor dY = s.y();
    long blocks = blocks(dY.rows());
    int stripes = stripes(dY.rows());
    if (fused(dY.rows()) && s.gradients != null) {
      // With B's gradient made where it lies only the row of b's is left.
      long summed = s.directB ? rank * outStride : 0;
      int left = Math.toIntExact(upSumFloats() - summed);
      Block.clear(s.dB, (stripe * upSumFloats() + summed) * 4, left);
      if (!s.directA) {
        Block.clear(s.dA, stripe * downSumFloats() * 4, Math.toIntExact(downSumFloats()));
      }
    }
    for (long block = blocks * stripe / stripes; block < blocks * (stripe + 1) / stripes; block++) {
      backwardBlock(s, dY, block, stripe);
    }
  }

  private void backwardBlock(PanamaScratch s, Tensor dY, long block, int stripe) {
    long row = firstToken(dY.rows(), block);
    int tokens = tokensOf(dY.rows(), block);
    int width = Block.width(tokens);
    CallOptions options = s.options();
    ThreadScratch own = ThreadScratch.current();
    long z0 = block * downRank * Block.ROW;
    long u0 = block * rank * Block.ROW;
    boolean masked = spec.hiddenDropout() > 0;

    MemorySegment phiOfZ = own.get(ThreadScratch.Slot.U, (long) rank * Block.TOKENS);
    phi.forward(s.z, z0, phiOfZ, 0, width, own);
    for (int j = 0; j < rank; j++) {
      long line = j * Block.ROW;
      Block.scaled(phiOfZ, line, s.u, u0 + line, width, v.length > 0 ? v[j] : 1);
    }
    if (masked) {
      maskHidden(s.u, u0, row, tokens, options, own);
    }
    MemorySegment du = own.get(ThreadScratch.Slot.DU, (long) rank * Block.TOKENS);
    backwardUp(s, dY, row, tokens, u0, du, stripe, own);
    if (masked) {
      maskHidden(du, 0, row, tokens, options, own);
    }
    long sums = stripe * sumFloats * 4;
    long dv = sums + phiFloats * 4;
    for (int j = 0; j < rank; j++) {
      long line = j * Block.ROW;
      Block.scale(du, line, width, options.scale());
      if (v.length > 0) {
        Block.addDot(du, line, phiOfZ, line, tokens, s.sums, dv + j * 4L);
        Block.scale(du, line, width, v[j]);
      }
    }
    phi.backward(s.z, z0, du, 0, s.dz, z0, width, s.sums, sums, own);
    if (has(Parameter.A_BIAS)) {
      long da = dv + rank * 4L;
      for (int j = 0; j < downRank; j++) {
        Block.addSum(s.dz, z0 + j * Block.ROW, tokens, s.sums, da + j * 4L);
      }
    }
    if (fused(dY.rows())) {
      backwardDown(s, block, stripe * downSumFloats(), 0, inFeatures, own);
    }
    if (wide != null) {
      if (s.gradients != null) {
        if (!s.directB) {
          WideProducts.keepRows(s.u, u0, tokens, s.uRows(), (int) row);
        }
        if (s.directA) {
          sumInputs(s, z0, row, tokens, 0, 0, inFeatures, own);
        } else {
          WideProducts.keepRows(s.dz, z0, tokens, s.dzRows(), (int) row);
        }
      }
      if (s.dX != null) {
        inputGradient(s, s.dX, z0, row, tokens, 0, inFeatures, own);
      }
    }
  }

  /**
   * {@code dY B} of a block, and for small ranks the stripe's {@code Σ_n Ud dY}, {@code Σ_n dY}.
   */
  private void backwardUp(
      PanamaScratch s,
      Tensor dY,
      long row,
      int tokens,
      long u0,
      MemorySegment du,
      int stripe,
      ThreadScratch own) {
    if (!fused(dY.rows()) || s.gradients == null) {
      input(own.input, own, dY, row, tokens, 0, outFeatures, null);
      if (wide != null) {
        wide.upBack(own.input, tokens, du, 0, own);
        if (s.directB) {
          sumOutputs(s, u0, own.input, tokens, 0, 0, outFeatures, own);
        }
      } else {
        down(own.input, b, tokens, du, 0, own);
      }
      return;
    }
    long sums = stripe * upSumFloats();
    // In whole vectors of tokens, which is how far down() clears the lanes behind the last one.
    int few = Math.clamp(FUSED_FLOATS / outFeatures / 16 * 16L, 16, Block.TOKENS);
    for (int i = 0; i < tokens; i += few) {
      int some = Math.min(few, tokens - i);
      input(own.input, own, dY, row + i, some, 0, outFeatures, null);
      down(own.input, b, some, du, i * 4L, own);
      sumOutputs(s, u0 + i * 4L, own.input, some, sums, 0, outFeatures, own);
    }
  }

  /** Adds {@code Σ_n Ud dY} and {@code Σ_n dY} for some tokens and columns to sums of them. */
  private void sumOutputs(
      PanamaScratch s,
      long u0,
      TileView rows,
      int tokens,
      long sums,
      int column,
      int columns,
      ThreadScratch own) {
    long at = (sums + column) * 4;
    AdapterGradients gradients = s.gradients;
    if (s.directB && gradients != null) {
      Tensor dB = gradients.get(Parameter.B);
      float scale = s.options().scale();
      rankGradient.put(s.u, u0, rows, tokens, columns, scale, dB, accumulates(s), own);
    } else {
      Columns.addGradient(s.u, u0, rank, rows, tokens, columns, s.dB, at, outStride * 4, true, own);
    }
    if (has(Parameter.B_BIAS)) {
      Columns.addSums(rows, tokens, columns, s.dB, rank * outStride * 4 + at);
    }
  }

  /** {@code Σ_n Ud dY} and {@code Σ_n dY} for a group of dY's columns, written to dB, db and dg. */
  void backwardOutputColumns(PanamaScratch s, int group) {
    Tensor dY = s.y();
    int column = group * outGroup;
    int columns = Math.min(outGroup, outFeatures - column);
    if (fused(dY.rows())) {
      addStripes(s.dB, stripes(dY.rows()), rank + 1, outStride, column, columns);
      writeOutputGradients(s, column, columns);
      return;
    }
    ThreadScratch own = ThreadScratch.current();
    if (wide != null) {
      wideOutputColumns(s, column, columns, own);
      return;
    }
    Columns.clear(s.dB, rank + 1, outStride, column, columns);
    int blocks = Block.count(dY.rows());
    for (int block = 0; block < blocks; block++) {
      long row = (long) block * Block.TOKENS;
      int tokens = (int) Math.min(Block.TOKENS, dY.rows() - row);
      input(own.input, own, dY, row, tokens, column, columns, null);
      sumOutputs(s, (long) block * rank * Block.ROW, own.input, tokens, 0, column, columns, own);
    }
    writeOutputGradients(s, column, columns);
  }

  /** Adds the stripes' sums of a group of columns to the first one's, in their order. */
  private static void addStripes(
      MemorySegment sums, int stripes, int rows, long stride, int column, int columns) {
    for (int stripe = 1; stripe < stripes; stripe++) {
      for (int j = 0; j < rows; j++) {
        long at = (j * stride + column) * 4;
        Block.add(sums, at + rows * stride * stripe * 4, sums, at, Block.width(columns));
      }
    }
  }

  private void wideOutputColumns(PanamaScratch s, int column, int columns, ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    Tensor dY = s.y();
    MemorySegment panel = own.get(ThreadScratch.Slot.PANEL, WideProducts.COPY_FLOATS);
    long sumRow = WideProducts.copiedRow(rank);
    MemorySegment sums = own.get(ThreadScratch.Slot.PANEL_SUMS, columns * sumRow / 4);
    Columns.clear(s.dB, 1, outStride, column, columns);
    int row = 0;
    // Once at least: the sums over no tokens are zero.
    do {
      int tokens = (int) Math.min(WideProducts.TOKENS, dY.rows() - row);
      input(own.input, own, dY, row, tokens, column, columns, null);
      WideProducts.copy(own.input, tokens, columns, panel);
      for (int n = 0; n < columns; n += Panels.WIDTH) {
        WideProducts.addTokensByRank(
            panel,
            WideProducts.panelAt(tokens, n),
            Math.min(Panels.WIDTH, columns - n),
            s.uRows(),
            row,
            tokens,
            sums,
            n * sumRow,
            row > 0,
            own);
      }
      if (has(Parameter.B_BIAS)) {
        Columns.addSums(own.input, tokens, columns, s.dB, column * 4L);
      }
      row += tokens;
    } while (row < dY.rows());
    boolean add = accumulates(s);
    float scale = s.options().scale();
    Tensor dB = gradients.get(Parameter.B);
    for (int i = 0; i < columns; i++) {
      float factor = gain.length == 0 ? scale : scale * gain[column + i];
      long to = (column + i) * dB.rowStride() * 4;
      Gemm.put(sums, i * sumRow, 0, factor, dB.segment(), to, 0, 1, rank, add);
      if (gain.length > 0) {
        float dg = 0;
        for (int j = 0; j < rank; j++) {
          dg = Math.fma(plainB.get(j, column + i), sums.get(F, i * sumRow + j * 4L), dg);
        }
        Gradient.put(gradients.get(Parameter.GAIN), column + i, scale * dg, add);
      }
      if (has(Parameter.B_BIAS)) {
        float db = s.dB.get(F, (column + i) * 4L);
        Gradient.put(gradients.get(Parameter.B_BIAS), column + i, db, add);
      }
    }
  }

  private void writeOutputGradients(PanamaScratch s, int column, int columns) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    boolean add = accumulates(s);
    float scale = s.options().scale();
    if (gain.length > 0) {
      writeGainGradient(s.dB, gradients.get(Parameter.GAIN), column, columns, scale, add);
    }
    for (int j = 0; j < rank && !s.directB; j++) {
      long row = j * outStride * 4;
      if (gain.length > 0) {
        for (int i = column; i < column + columns; i++) {
          s.dB.set(F, row + i * 4L, gain[i] * s.dB.get(F, row + i * 4L));
        }
      }
      Tensor dB = gradients.get(Parameter.B);
      Gradient.putColumn(s.dB, row + column * 4L, dB, column, j, columns, scale, add);
    }
    if (has(Parameter.B_BIAS)) {
      Tensor db = gradients.get(Parameter.B_BIAS);
      Gradient.putRow(s.dB, (rank * outStride + column) * 4, db, 0, column, columns, add);
    }
  }

  /** {@code dg_i = s · Σ_j B[i,j] (Σ_n Ud dY)[j,i]}. */
  private void writeGainGradient(
      MemorySegment sums, Tensor dg, int column, int columns, float scale, boolean add) {
    for (int i = column; i < column + columns; i++) {
      float sum = 0;
      for (int j = 0; j < rank; j++) {
        sum = Math.fma(plainB.get(j, i), sums.get(F, (j * outStride + i) * 4), sum);
      }
      Gradient.put(dg, i, scale * sum, add);
    }
  }

  /** {@code Σ_n dZ Xd} and {@code dX += m_x ⊙ (dZ A)} for a group of X's columns. */
  void backwardInputColumns(PanamaScratch s, int group) {
    int column = group * inGroup;
    int columns = Math.min(inGroup, inFeatures - column);
    long rows = s.x().rows();
    if (wide != null) {
      wideInputColumns(s, column, columns, ThreadScratch.current());
      return;
    }
    if (fused(rows)) {
      if (s.gradients != null) {
        addStripes(s.dA, stripes(rows), downRank, inStride, column, columns);
      }
    } else {
      if (s.gradients != null) {
        Columns.clear(s.dA, downRank, inStride, column, columns);
      }
      ThreadScratch own = ThreadScratch.current();
      for (long block = 0; block < Block.count(rows); block++) {
        backwardDown(s, block, 0, column, columns, own);
      }
    }
    if (s.gradients != null && staticForm == null) {
      writeDownGradient(s, s.gradients.get(Parameter.A), column, columns);
    }
  }

  /** {@code Σ_n dZ Xd}, added to sums of it, and dX, for a block's tokens and some columns. */
  private void backwardDown(
      PanamaScratch s, long block, long sums, int column, int columns, ThreadScratch own) {
    long row = block * Block.TOKENS;
    int tokens = (int) Math.min(Block.TOKENS, s.x().rows() - row);
    long dz0 = block * downRank * Block.ROW;
    if (s.gradients != null) {
      sumInputs(s, dz0, row, tokens, sums, column, columns, own);
    }
    if (s.dX != null) {
      inputGradient(s, s.dX, dz0, row, tokens, column, columns, own);
    }
  }

  /** Adds {@code Σ_n dZ Xd} for some tokens and columns to sums of them. */
  private void sumInputs(
      PanamaScratch s,
      long dz0,
      long row,
      int tokens,
      long sums,
      int column,
      int columns,
      ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    Tensor dA = s.directA && gradients != null ? gradients.get(Parameter.A) : null;
    input(own.input, own, s.x(), row, tokens, column, columns, s.options());
    Columns.addGradient(
        s.dz,
        dz0,
        downRank,
        own.input,
        tokens,
        columns,
        dA == null ? s.dA : dA.segment(),
        (sums + column) * 4,
        (dA == null ? inStride : dA.rowStride()) * 4,
        dA == null || row > 0 || accumulates(s),
        own);
  }

  private void wideInputColumns(PanamaScratch s, int column, int columns, ThreadScratch own) {
    AdapterGradients gradients = s.gradients;
    if (gradients == null) {
      return;
    }
    Tensor x = s.x();
    MemorySegment panel = own.get(ThreadScratch.Slot.PANEL, WideProducts.COPY_FLOATS);
    MemorySegment sums =
        own.get(ThreadScratch.Slot.PANEL_SUMS, (long) downRank * WideProducts.GROUP);
    int row = 0;
    do {
      int tokens = (int) Math.min(WideProducts.TOKENS, x.rows() - row);
      input(own.input, own, x, row, tokens, column, columns, s.options());
      WideProducts.copy(own.input, tokens, columns, panel);
      for (int n = 0; n < columns; n += Panels.WIDTH) {
        WideProducts.addRankByTokens(
            panel,
            WideProducts.panelAt(tokens, n),
            Math.min(Panels.WIDTH, columns - n),
            s.dzRows(),
            row,
            tokens,
            sums,
            WideProducts.panelAt(downRank, n),
            row > 0,
            own);
      }
      row += tokens;
    } while (row < x.rows());
    Tensor dA = gradients.get(Parameter.A);
    // The static form's dA is the gradient of σ(A), which goes on.
    boolean last = staticForm == null;
    MemorySegment to = last ? dA.segment() : s.dA;
    long stride = last ? dA.rowStride() * 4 : inStride * 4;
    boolean add = last && accumulates(s);
    for (int n = 0; n < columns; n += Panels.WIDTH) {
      int width = Math.min(Panels.WIDTH, columns - n);
      Gemm.put(
          sums,
          WideProducts.panelAt(downRank, n),
          WideProducts.copiedRow(width),
          1,
          to,
          (column + n) * 4L,
          stride,
          downRank,
          width,
          add);
    }
  }

  private static boolean accumulates(PanamaScratch s) {
    return s.gradientOptions.parameters() == Update.ACCUMULATE;
  }

  private void writeDownGradient(PanamaScratch s, Tensor dA, int column, int columns) {
    boolean add = accumulates(s);
    for (int j = 0; j < downRank; j++) {
      Gradient.putRow(s.dA, (j * inStride + column) * 4, dA, j, column, columns, add);
    }
  }

  private void inputGradient(
      PanamaScratch s,
      Tensor dX,
      long dz0,
      long row,
      int tokens,
      int column,
      int columns,
      ThreadScratch own) {
    boolean add = s.gradientOptions.input() == Update.ACCUMULATE;
    TileView output = own.output;
    boolean masked = spec.inputDropout() > 0;
    if (TileView.isDirect(dX) && !masked) {
      output.direct(dX, row, column);
      inputProduct(s, dz0, column, columns, output, tokens, add, own);
      return;
    }
    output.staged(own.get(ThreadScratch.Slot.OUTPUT, (long) tokens * columns), columns);
    inputProduct(s, dz0, column, columns, output, tokens, false, own);
    if (masked) {
      output.multiply(maskInput(row, tokens, column, columns, s.options(), own), tokens, columns);
    }
    if (add) {
      own.input.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * columns), columns);
      own.input.load(dX, row, tokens, column, columns);
      output.add(own.input, tokens, columns);
    }
    output.store(dX, row, tokens, column, columns);
  }

  /** {@code out (+)= dZ A}; a large rank takes all columns at once. */
  private void inputProduct(
      PanamaScratch s,
      long dz0,
      int column,
      int columns,
      TileView out,
      int tokens,
      boolean add,
      ThreadScratch own) {
    if (wide != null) {
      wide.downBack(s.dz, dz0, out, tokens, add, own);
    } else {
      Columns.product(s.dz, dz0, a, column, columns, downRank, out, tokens, add, own);
    }
  }

  /** Adds up the stripes' sums in their order and writes the gradients of the small parameters. */
  private void finishGradients(PanamaScratch s, AdapterGradients gradients) {
    int stripes = stripes(s.x().rows());
    for (int stripe = 1; stripe < stripes; stripe++) {
      for (long i = 0; i < sumFloats; i++) {
        float other = s.sums.get(F, (stripe * sumFloats + i) * 4);
        s.sums.set(F, i * 4, s.sums.get(F, i * 4) + other);
      }
    }
    boolean add = accumulates(s);
    if (staticForm != null) {
      staticForm.backward(s, gradients.get(Parameter.A), add);
    }
    long next = 0;
    for (Parameter parameter : SUMMED) {
      if (parameter == Parameter.V) {
        next = phiFloats;
      } else if (parameter == Parameter.A_BIAS) {
        next = phiFloats + rank;
      }
      if (has(parameter)) {
        Tensor gradient = gradients.get(parameter);
        int columns = Math.toIntExact(gradient.columns());
        for (long row = 0; row < gradient.rows(); row++) {
          Gradient.putRow(s.sums, next * 4, gradient, row, 0, columns, add);
          next += columns;
        }
      }
    }
  }

  /** Parameters whose gradients are in the sums, in their order there. */
  private static final Parameter[] SUMMED = {
    Parameter.MIXER, Parameter.H, Parameter.SPLINE, Parameter.BETA, Parameter.V, Parameter.A_BIAS
  };

  @Override
  public boolean compiledByUse() {
    return true;
  }

  @Override
  public void close() {
    arena.close();
  }
}
