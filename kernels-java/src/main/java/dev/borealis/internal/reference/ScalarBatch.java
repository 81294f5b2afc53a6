package dev.borealis.internal.reference;

import dev.borealis.adapter.AdapterKernel;
import dev.borealis.adapter.BatchKernel;
import dev.borealis.adapter.RowGroups;
import dev.borealis.tensor.Tensor;

/** Rows of several adapters on the scalar backend: one group after the other. */
final class ScalarBatch implements BatchKernel {
  @Override
  public boolean accepts(AdapterKernel kernel) {
    return kernel instanceof ScalarAdapter;
  }

  @Override
  public void forward(Tensor x, Tensor y, RowGroups groups) {
    for (int group = 0; group < groups.count(); group++) {
      ((ScalarAdapter) groups.kernel(group))
          .forwardRows(
              x, y, groups.rows(), groups.from(group), groups.to(group), groups.scale(group));
    }
  }
}
