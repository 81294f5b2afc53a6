package dev.borealis.internal.cpu;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.RowGroups;
import dev.borealis.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Rows of several adapters on the CPU. Every group is cut into blocks of at most {@link
 * Block#TOKENS} rows, and the workers share the blocks of all groups.
 */
final class PanamaBatch implements BatchKernel {
  private final WorkerPool pool;
  // Of each block: its group, and the index of its first row.
  private final int[] groupOf;
  private final int[] fromOf;
  private final WorkerPool.Work blocks = this::block;

  // The call under way.
  private @Nullable Tensor x;
  private @Nullable Tensor y;
  private @Nullable RowGroups groups;

  PanamaBatch(int maxRows, WorkerPool pool) {
    this.pool = pool;
    this.groupOf = new int[maxRows];
    this.fromOf = new int[maxRows];
  }

  @Override
  public boolean accepts(AdapterKernel kernel) {
    return kernel instanceof PanamaAdapter;
  }

  @Override
  public void forward(Tensor newX, Tensor newY, RowGroups newGroups) {
    int count = 0;
    for (int group = 0; group < newGroups.count(); group++) {
      for (int from = newGroups.from(group); from < newGroups.to(group); from += Block.TOKENS) {
        groupOf[count] = group;
        fromOf[count] = from;
        count++;
      }
    }
    x = newX;
    y = newY;
    groups = newGroups;
    try {
      boolean parallel = pool.sharesMemory(newX.segment()) && pool.sharesMemory(newY.segment());
      pool.run(count, parallel, blocks);
    } finally {
      x = null;
      y = null;
      groups = null;
    }
  }

  private void block(int block) {
    RowGroups now = set(groups);
    int group = groupOf[block];
    int from = fromOf[block];
    int tokens = Math.min(Block.TOKENS, now.to(group) - from);
    ((PanamaAdapter) now.kernel(group))
        .forward.rows(set(x), set(y), now.rows(), from, tokens, now.scale(group));
  }

  private static <T> T set(@Nullable T value) {
    if (value == null) {
      throw new AssertionError("no call under way");
    }
    return value;
  }
}
