package dev.borealis.examples.finetune;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.Update;
import dev.borealis.examples.encoder.AttachedAdapter;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.QRDecomposition;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/**
 * Singular values of a branch's output {@code Y = s·U Bᵀ} over all tokens of a set.
 *
 * <p>Y's rows lie in the columns of B, so that with the thin decomposition B = Q R, Y has the
 * singular values of Y Q, which has only r columns. No more than r of them can differ from 0,
 * whatever φ is.
 *
 * @param site where the adapter is
 * @param values largest first
 * @param centred of Y less its mean row, largest first
 * @param constantShare √n·‖mean row‖ / ‖Y‖
 */
record Spectrum(String site, List<Double> values, List<Double> centred, double constantShare) {

  /** Exponential of the entropy of the normalised values (Roy and Vetterli, 2007): 1 to r. */
  static double effectiveRank(List<Double> values) {
    double sum = values.stream().mapToDouble(v -> v).sum();
    double entropy = 0;
    for (double value : values) {
      double p = value / sum;
      entropy -= p > 0 ? p * Math.log(p) : 0;
    }
    return Math.exp(entropy);
  }

  /** Collects Y Q block by block. */
  static final class Collector {
    private final AttachedAdapter attached;
    private final CallOptions options;
    private final DMatrixRMaj basis;
    private final Tensor branch;
    private double[] projected = new double[1 << 16];
    private int length;

    /**
     * Starts with no tokens.
     *
     * @param attached the trained adapter
     * @param maxTokens most tokens of a block
     * @param arena owner of a block's output
     */
    Collector(AttachedAdapter attached, int maxTokens, Arena arena) {
      AdapterSpec spec = attached.weights().spec();
      this.attached = attached;
      this.options = CallOptions.of(spec).withOutput(Update.OVERWRITE);
      this.branch = Tensor.allocate(arena, DType.F32, maxTokens, spec.outFeatures());
      this.basis = orthonormal(attached.weights().get(Parameter.B));
    }

    private static DMatrixRMaj orthonormal(Tensor b) {
      DMatrixRMaj matrix = new DMatrixRMaj((int) b.rows(), (int) b.columns());
      for (int row = 0; row < matrix.numRows; row++) {
        for (int column = 0; column < matrix.numCols; column++) {
          matrix.set(row, column, b.get(row, column));
        }
      }
      QRDecomposition<DMatrixRMaj> qr =
          DecompositionFactory_DDRM.qr(matrix.numRows, matrix.numCols);
      if (!qr.decompose(matrix)) {
        throw new IllegalStateException("B has no QR decomposition");
      }
      return qr.getQ(null, true);
    }

    /** Takes the inputs of further tokens. */
    void add(Tensor x) {
      Tensor y = branch.rowSlice(0, x.rows());
      attached.adapter().forward(x, y, options, attached.workspace());
      DMatrixRMaj block = new DMatrixRMaj((int) y.rows(), (int) y.columns());
      for (int i = 0; i < block.data.length; i++) {
        block.data[i] = y.get(i / block.numCols, i % block.numCols);
      }
      DMatrixRMaj part = CommonOps_DDRM.mult(block, basis, null);
      int size = part.numRows * part.numCols;
      if (length + size > projected.length) {
        projected = Arrays.copyOf(projected, Math.max(2 * projected.length, length + size));
      }
      System.arraycopy(part.data, 0, projected, length, size);
      length += size;
    }

    /** The values of all tokens so far. */
    Spectrum spectrum() {
      int rank = basis.numCols;
      DMatrixRMaj all = DMatrixRMaj.wrap(length / rank, rank, Arrays.copyOf(projected, length));
      double[] mean = new double[rank];
      double squares = 0;
      for (int i = 0; i < length; i++) {
        mean[i % rank] += all.data[i] / all.numRows;
        squares += all.data[i] * all.data[i];
      }
      double meanSquares = Arrays.stream(mean).map(m -> m * m * all.numRows).sum();
      List<Double> values = singularValues(all);
      for (int i = 0; i < length; i++) {
        all.data[i] -= mean[i % rank];
      }
      return new Spectrum(
          attached.name(),
          values,
          singularValues(all),
          squares == 0 ? 0 : Math.sqrt(meanSquares / squares));
    }

    private static List<Double> singularValues(DMatrixRMaj matrix) {
      SingularValueDecomposition_F64<DMatrixRMaj> svd =
          DecompositionFactory_DDRM.svd(matrix.numRows, matrix.numCols, false, false, true);
      if (!svd.decompose(matrix.copy())) {
        throw new IllegalStateException("the singular values did not converge");
      }
      double[] values = Arrays.copyOf(svd.getSingularValues(), svd.numberOfSingularValues());
      Arrays.sort(values);
      return Arrays.stream(values).boxed().toList().reversed();
    }
  }
}
