package dev.borealis.internal.cpu;

import dev.borealis.adapter.LinearKernel;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The base layer as a blocked matrix product: W0 is packed once, a task is one block of tokens
 * times one group of columns, and the inner dimension is taken in chunks whose panel of W0 stays in
 * L2.
 */
final class PanamaLinear implements LinearKernel {
  /** Inner dimension of a chunk; also bounds the length of a chain of roundings. */
  private static final int DEPTH = 256;

  private static final int GROUP = 256;

  private final WorkerPool pool;
  private final Arena arena = Arena.ofShared();
  private final Packed forward;
  private final MemorySegment bias;
  private final boolean biased;
  // Packed the other way round, for dX; made when it is first needed.
  private volatile @Nullable Packed backward;

  PanamaLinear(Tensor w0, @Nullable Tensor bias, WorkerPool pool) {
    this.pool = pool;
    int outFeatures = Math.toIntExact(w0.rows());
    int inFeatures = Math.toIntExact(w0.columns());
    this.forward = new Packed(arena, inFeatures, outFeatures);
    forward.packTransposed(w0, null);
    this.biased = bias != null;
    this.bias = arena.allocate(outFeatures * 4L, 64);
    if (bias != null) {
      Phi.copy(bias, this.bias);
    }
  }

  @Override
  public void forward(Tensor x, Tensor y) {
    Call.current().run(this, forward, x, y, false, biased);
  }

  @Override
  public void backward(Tensor dY, Tensor dX, Update update) {
    Call.current().run(this, backward(), dY, dX, update == Update.ACCUMULATE, false);
  }

  private synchronized Packed backward() {
    Packed packed = backward;
    if (packed == null) {
      packed = new Packed(arena, forward.columns, forward.rows);
      for (int row = 0; row < packed.rows; row++) {
        for (int column = 0; column < packed.columns; column++) {
          packed.set(row, column, forward.get(column, row));
        }
      }
      backward = packed;
    }
    return packed;
  }

  @Override
  public void close() {
    arena.close();
  }

  /** The arguments of a thread's call, kept in one object so that calls make no garbage. */
  private static final class Call {
    private static final ThreadLocal<Call> CURRENT = ThreadLocal.withInitial(Call::new);

    private final WorkerPool.Work tiles = this::tile;
    private @Nullable PanamaLinear layer;
    private @Nullable Packed matrix;
    private @Nullable Tensor in;
    private @Nullable Tensor out;
    private boolean add;
    private boolean addBias;
    private int blocks;

    static Call current() {
      return CURRENT.get();
    }

    void run(
        PanamaLinear newLayer,
        Packed newMatrix,
        Tensor newIn,
        Tensor newOut,
        boolean newAdd,
        boolean newAddBias) {
      layer = newLayer;
      matrix = newMatrix;
      in = newIn;
      out = newOut;
      add = newAdd;
      addBias = newAddBias;
      blocks = Block.count(newIn.rows());
      try {
        WorkerPool pool = newLayer.pool;
        boolean parallel =
            pool.sharesMemory(newIn.segment()) && pool.sharesMemory(newOut.segment());
        int groups = (newMatrix.columns + GROUP - 1) / GROUP;
        pool.run(Math.multiplyExact(blocks, groups), parallel, tiles);
      } finally {
        layer = null;
        matrix = null;
        in = null;
        out = null;
      }
    }

    /**
     * Parts of one column group follow each other, so that its part of the matrix stays in cache.
     */
    private void tile(int part) {
      PanamaLinear theLayer = layer;
      Packed m = matrix;
      Tensor from = in;
      Tensor to = out;
      if (theLayer == null || m == null || from == null || to == null) {
        throw new AssertionError("no call under way");
      }
      int column = part / blocks * GROUP;
      int columns = Math.min(GROUP, m.columns - column);
      long row = (long) (part % blocks) * Block.TOKENS;
      int tokens = (int) Math.min(Block.TOKENS, from.rows() - row);
      ThreadScratch own = ThreadScratch.current();
      TileView input = own.input;
      if (TileView.isDirect(from)) {
        input.direct(from, row, 0);
      } else {
        input.staged(own.get(ThreadScratch.Slot.INPUT, (long) tokens * m.rows), m.rows);
        input.load(from, row, tokens, 0, m.rows);
      }
      TileView output = own.output;
      boolean direct = TileView.isDirect(to);
      if (direct) {
        output.direct(to, row, column);
      } else {
        output.staged(own.get(ThreadScratch.Slot.OUTPUT, (long) tokens * columns), columns);
        if (add) {
          output.load(to, row, tokens, column, columns);
        }
      }
      for (int k = 0; k < m.rows; k += DEPTH) {
        Columns.multiply(
            input.segment,
            input.offset + k * 4L,
            input.stride,
            4,
            m,
            column,
            columns,
            k,
            Math.min(DEPTH, m.rows - k),
            output,
            tokens,
            add || k > 0,
            own);
      }
      if (addBias) {
        Columns.addToRows(theLayer.bias, column * 4L, output, tokens, columns);
      }
      if (!direct) {
        output.store(to, row, tokens, column, columns);
      }
    }
  }
}
