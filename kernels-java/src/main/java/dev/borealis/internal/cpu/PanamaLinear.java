package dev.borealis.internal.cpu;

import dev.borealis.adapter.LinearKernel;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The base layer as a blocked matrix product: W0 is packed once, and a task is one block of tokens
 * times one group of columns.
 */
final class PanamaLinear implements LinearKernel {
  /** Columns of a task. */
  private static final int GROUP = 2 * Panels.WIDTH;

  private final WorkerPool pool;
  private final Arena arena = Arena.ofShared();
  private final Panels forward;
  private final MemorySegment bias;
  private final boolean biased;
  // Panels the other way round, for dX; made when it is first needed.
  private volatile @Nullable Panels backward;

  PanamaLinear(Tensor w0, @Nullable Tensor bias, WorkerPool pool) {
    this.pool = pool;
    int outFeatures = Math.toIntExact(w0.rows());
    int inFeatures = Math.toIntExact(w0.columns());
    this.forward = new Panels(arena, inFeatures, outFeatures);
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

  private synchronized Panels backward() {
    Panels packed = backward;
    if (packed == null) {
      packed = new Panels(arena, forward.columns, forward.rows);
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
    private @Nullable Panels matrix;
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
        Panels newMatrix,
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
      blocks = Math.toIntExact((newIn.rows() + Gemm.ROWS - 1) / Gemm.ROWS);
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
      Panels m = matrix;
      Tensor from = in;
      Tensor to = out;
      if (theLayer == null || m == null || from == null || to == null) {
        throw new AssertionError("no call under way");
      }
      int column = part / blocks * GROUP;
      int columns = Math.min(GROUP, m.columns - column);
      int block = part % blocks;
      // Blocks of nearly the same size, so that threads get the same.
      long row = Block.first(from.rows(), block, blocks, Tiles.GEMM_ROWS);
      int tokens = (int) (Block.first(from.rows(), block + 1, blocks, Tiles.GEMM_ROWS) - row);
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
      Gemm.run(
          input.segment,
          input.offset,
          input.stride,
          4,
          m,
          column,
          columns,
          output.segment,
          output.offset,
          output.stride,
          tokens,
          add,
          own.get(ThreadScratch.Slot.GEMM, Gemm.SCRATCH_FLOATS));
      if (addBias) {
        Columns.addToRows(theLayer.bias, column * 4L, output, tokens, columns);
      }
      if (!direct) {
        output.store(to, row, tokens, column, columns);
      }
    }
  }
}
