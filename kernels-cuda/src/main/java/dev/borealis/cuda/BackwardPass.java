package dev.borealis.cuda;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.GradientOptions;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.Update;
import dev.borealis.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Queues the launches from dY to dX and the gradients. Waits for nothing and takes no memory from
 * the driver. Every gradient is a sum of shares in a fixed order.
 */
final class BackwardPass {
  /** Where gradients go: dense F32 on the device. */
  interface GradientAddresses {
    long of(Parameter parameter);
  }

  /** Shared memory of the kernel {@code reduce}: 32 rows of 33 floats. */
  static final long REDUCE_BYTES = 32 * 33 * 4;

  private static final long QUEUE_BYTES = ForwardPass.QUEUE_BYTES;

  private final AdapterSpec spec;

  BackwardPass(AdapterSpec spec) {
    this.spec = spec;
  }

  /**
   * Computes the gradients of n ≥ 0 tokens.
   *
   * @param dX null if not wanted
   * @param gradients null if not wanted
   */
  void run(
      DeviceMatrix x,
      DeviceMatrix dY,
      @Nullable DeviceMatrix dX,
      @Nullable GradientAddresses gradients,
      long n,
      Packed down,
      @Nullable StaticForm staticForm,
      DeviceWeights weights,
      CallOptions forward,
      GradientOptions options,
      CudaScratch scratch) {
    Arguments arguments = scratch.arguments;
    PhiWeights phi = weights.callPhi();
    boolean accumulate = options.parameters() == Update.ACCUMULATE;
    // cuBLAS has no masks, and no sums of columns beside a product.
    boolean summed = spec.parameters().contains(Parameter.B_BIAS);
    boolean masked = spec.inputDropout() > 0;
    PartProducts upParts =
        weights.up().parts() == 0 || summed ? null : scratch.partProducts(dY.type(), n);
    PartProducts downParts = masked ? null : scratch.partProducts(x.type(), n);
    PartProducts inputParts =
        dX != null && dX.type() == DType.BF16 && down.parts() != 0 ? downParts : null;
    // With 16-bit dY of fewer tokens cuBLAS has dU alone: dB would take U of 16 bits.
    DeviceMatrix b =
        dY.type() == DType.F32 || gradients != null ? null : weights.typed(Parameter.B, dY.type());
    boolean up = dY.type() == DType.F32 ? !summed : b != null;
    Gemm upGemm = n > 0 && up ? scratch.gemm : null;
    Gemm downGemm = n > 0 && x.type() == DType.F32 && !masked ? scratch.gemm : null;
    Gemm inputGemm = dX != null && dX.type() == DType.F32 && !masked ? scratch.gemm : null;
    long out = spec.outFeatures();
    long ldU = phi.ldU();
    long count = upGemm == null ? Splits.ceil(out, Splits.columns(n, out, spec.rank())) : 1;
    Shares upShares = new Shares(scratch.shares, count, n * ldU, ldU, ldU);
    Shares parts = null;
    if (n > 0) {
      if (gradients != null) {
        // U again, from Z.
        arguments
            .phiCall
            .begin(phi, n)
            .shares(new Shares(scratch.z, 1, 0, phi.ldZ(), phi.ldZ()), 1)
            .u(scratch.u)
            .parts(upParts == null ? 0 : scratch.uParts);
        DropoutArguments.hidden(arguments.phiCall.mask(), spec, forward, true);
        scratch.launches.run(
            Kernel.PHI_FORWARD,
            Splits.ceil(n, PhiWeights.rows(n)),
            1,
            1,
            phi.forwardBytes(n),
            arguments.phiAlone);
      }
      if (upParts != null) {
        upShares = upParts.contract(dY, n, weights.up(), scratch.shares);
        if (gradients != null) {
          parts =
              upParts.outer(
                  scratch.uParts, spec.rank(), dY, n, spec.outFeatures(), scratch.outerShares);
        }
      } else if (upGemm != null) {
        Gemm.Operand operand =
            b == null ? Gemm.Operand.transposed(weights.up().matrix()) : Gemm.Operand.of(b);
        hiddenGradient(dY, n, operand, gradients != null, upGemm, scratch);
      } else {
        hiddenGradient(dY, n, weights.up(), gradients != null, scratch);
      }
    }
    if (gradients != null) {
      float scale = forward.scale() * DropoutArguments.hiddenFactor(spec, true);
      Shares shares = shares(n, spec.rank(), out, scratch);
      shares = parts != null ? parts : upGemm == null ? shares : shares.first();
      upGradients(shares, n, weights, scale, gradients, accumulate, scratch);
    }
    if (n > 0) {
      long dzParts = downParts == null ? 0 : scratch.dzParts;
      phiBackward(phi, n, scratch.z, upShares, forward, gradients != null, dzParts, scratch);
      boolean add = options.input() == Update.ACCUMULATE;
      if (inputParts != null && dX != null) {
        inputParts.expand(dzParts, n, down, dX, 1, add);
      } else if (inputGemm != null && dX != null) {
        inputGemm.multiply(
            n,
            down.columns(),
            down.rows(),
            1,
            Gemm.Operand.of(hidden(scratch.dz, phi.ldZ())),
            Gemm.Operand.of(down.matrix()),
            dX,
            add);
      } else if (dX != null) {
        inputGradient(dX, n, down, forward, add, scratch);
      }
    }
    if (gradients != null) {
      parameterSums(phi, n, scratch.z, gradients, accumulate, scratch);
      Shares shares = shares(n, spec.downRank(), spec.inFeatures(), scratch);
      if (downParts != null) {
        shares =
            downParts.outer(
                scratch.dzParts, spec.downRank(), x, n, spec.inFeatures(), scratch.outerShares);
      } else if (downGemm != null) {
        shares = shares.first();
        outer(downGemm, hidden(scratch.dz, phi.ldZ()), x, n, spec.downRank(), shares);
      } else if (n > 0) {
        outer(x, n, spec.inFeatures(), spec.downRank(), scratch.dz, forward, scratch);
      }
      float factor = DropoutArguments.inputFactor(spec, true);
      long dA = gradients.of(Parameter.A);
      if (staticForm == null) {
        reduce(
            shares,
            0,
            factor,
            dA,
            spec.inFeatures(),
            spec.downRank(),
            spec.inFeatures(),
            false,
            accumulate,
            scratch);
      } else {
        columnGradients(staticForm, shares, factor, dA, weights, gradients, accumulate, scratch);
      }
    }
  }

  /** Shares of dU, and of B's gradient if that is wanted. */
  private void hiddenGradient(
      DeviceMatrix dY, long n, Packed up, boolean parameters, CudaScratch scratch) {
    Arguments arguments = scratch.arguments;
    int out = spec.outFeatures();
    int rank = spec.rank();
    arguments
        .product
        .begin(n, out, rank)
        .streamed(dY)
        .weights(up)
        .shares(scratch.shares, Splits.columns(n, out, rank));
    ForwardPass.contract(dY.type(), n, out, rank, arguments.productAlone, scratch.launches);
    if (!parameters) {
      return;
    }
    arguments.product.begin(n, out, rank).streamed(dY).ranks(scratch.u);
    if (spec.parameters().contains(Parameter.B_BIAS)) {
      arguments.product.columnSums(scratch.columnShares);
    }
    outer(dY.type(), n, out, rank, scratch);
  }

  /** The same by cuBLAS, each a whole sum. */
  private void hiddenGradient(
      DeviceMatrix dY, long n, Gemm.Operand b, boolean parameters, Gemm gemm, CudaScratch scratch) {
    long ldU = Packed.round(spec.rank(), Packed.ROW_TILE);
    gemm.multiply(
        n,
        spec.rank(),
        spec.outFeatures(),
        1,
        Gemm.Operand.of(dY),
        b,
        hidden(scratch.shares, ldU),
        false);
    if (parameters) {
      Shares shares = shares(n, spec.rank(), spec.outFeatures(), scratch).first();
      outer(gemm, hidden(scratch.u, ldU), dY, n, spec.rank(), shares);
    }
  }

  /** Uᵀ D by cuBLAS. */
  private static void outer(
      Gemm gemm, DeviceMatrix u, DeviceMatrix d, long n, long rank, Shares out) {
    gemm.multiply(
        rank,
        out.columns(),
        n,
        1,
        Gemm.Operand.transposed(u),
        Gemm.Operand.of(d),
        new DeviceMatrix(out.address(), out.ld(), DType.F32),
        false);
  }

  private static DeviceMatrix hidden(long address, long ld) {
    return new DeviceMatrix(address, ld, DType.F32);
  }

  private void upGradients(
      Shares shares,
      long n,
      DeviceWeights weights,
      float scale,
      GradientAddresses gradients,
      boolean accumulate,
      CudaScratch scratch) {
    int out = spec.outFeatures();
    int rank = spec.rank();
    long gain = weights.address(Parameter.GAIN);
    long dB = gradients.of(Parameter.B);
    reduce(shares, gain, scale, dB, rank, rank, out, true, accumulate, scratch);
    if (gain != 0) {
      scratch.launches.run(
          Kernel.GAIN_GRADIENT,
          Splits.ceil(out, Kernel.THREADS),
          1,
          1,
          0,
          scratch.arguments.gainGradient(
              shares, weights.upPlain(), scale, gradients.of(Parameter.GAIN), accumulate));
    }
    if (spec.parameters().contains(Parameter.B_BIAS)) {
      reduce(
          columnShares(n, rank, out, scratch),
          0,
          1,
          gradients.of(Parameter.B_BIAS),
          out,
          1,
          out,
          false,
          accumulate,
          scratch);
    }
  }

  /** dZ from shares of dU, and what the gradients of φ's parameters are sums of. */
  private void phiBackward(
      PhiWeights phi,
      long n,
      long z,
      Shares shares,
      @Nullable CallOptions forward,
      boolean parameters,
      long parts,
      CudaScratch scratch) {
    Arguments arguments = scratch.arguments;
    arguments
        .phiCall
        .begin(phi, n)
        .z(z)
        .dz(scratch.dz)
        .shares(shares, forward == null ? 1 : forward.scale())
        .parts(parts);
    if (parameters) {
      arguments.phiCall.terms(
          scratch.g, scratch.da, scratch.t, scratch.q, scratch.dvTerms, scratch.dBetaTerms);
    }
    if (forward != null) {
      DropoutArguments.hidden(arguments.phiCall.mask(), spec, forward, true);
    }
    scratch.launches.run(
        Kernel.PHI_BACKWARD,
        Splits.ceil(n, PhiWeights.rows(n)),
        1,
        1,
        phi.backwardBytes(n),
        arguments.phiAlone);
  }

  private void inputGradient(
      DeviceMatrix dX,
      long n,
      Packed down,
      CallOptions forward,
      boolean accumulate,
      CudaScratch scratch) {
    Arguments arguments = scratch.arguments;
    float factor = DropoutArguments.inputFactor(spec, true);
    arguments
        .product
        .begin(n, down.columns(), down.rows())
        .weights(down)
        .ranks(scratch.dz)
        .output(dX, accumulate, factor, 0);
    DropoutArguments.input(arguments.product.mask(), spec, forward, true);
    ForwardPass.expand(
        dX.type(), dX.type(), n, down.columns(), arguments.productAlone, scratch.launches);
  }

  /** Shares of Uᵀ D for a matrix D [n, k] and U [n, r] of floats. */
  private void outer(
      DeviceMatrix d,
      long n,
      long k,
      int r,
      long u,
      @Nullable CallOptions inputMask,
      CudaScratch scratch) {
    Arguments arguments = scratch.arguments;
    arguments.product.begin(n, k, r).streamed(d).ranks(u);
    if (inputMask != null) {
      DropoutArguments.input(arguments.product.mask(), spec, inputMask, true);
    }
    outer(d.type(), n, k, r, scratch);
  }

  /** The product that {@code scratch.arguments.product} has all of but the shares. */
  private static void outer(DType type, long n, long k, int r, CudaScratch scratch) {
    boolean narrow = r <= 16;
    scratch.arguments.product.shares(scratch.outerShares, Splits.rows(n, r, k));
    scratch.launches.run(
        narrow ? Kernel.OUTER_16 : Kernel.OUTER_32,
        type,
        Splits.ceil(r, narrow ? 16 : 32),
        Splits.ceil(k, Splits.OUTER_COLUMNS),
        Splits.rowSplits(n, r, k),
        QUEUE_BYTES,
        scratch.arguments.productAlone);
  }

  private static Shares shares(long n, long r, long k, CudaScratch scratch) {
    long ld = Packed.ld(k);
    long stride = Packed.round(r, 32) * ld;
    return new Shares(scratch.outerShares, Splits.rowSplits(n, r, k), stride, ld, k);
  }

  /** Of sums of columns, made beside a product of rank r or, with 1, by themselves. */
  private static Shares columnShares(long n, long r, long k, CudaScratch scratch) {
    long ld = Packed.ld(k);
    return new Shares(scratch.columnShares, Splits.rowSplits(n, r, k), ld, ld, k);
  }

  private static void reduce(
      Shares shares,
      long gain,
      float factor,
      long out,
      long ldOut,
      long rows,
      long columns,
      boolean transposed,
      boolean accumulate,
      CudaScratch scratch) {
    reduce(
        scratch.arguments.reduction(
            shares, gain, factor, out, ldOut, rows, columns, transposed, accumulate),
        rows,
        columns,
        scratch.launches);
  }

  /** Queues what {@link Arguments#reduction} says, for so many rows and columns. */
  static void reduce(MemorySegment reduction, long rows, long columns, Launches launches) {
    launches.run(
        Kernel.REDUCE, Splits.ceil(columns, 32), Splits.ceil(rows, 32), 1, REDUCE_BYTES, reduction);
  }

  /** Gradients of φ's parameters, v and a from the terms that {@link #phiBackward} left. */
  private void parameterSums(
      PhiWeights phi,
      long n,
      long z,
      GradientAddresses gradients,
      boolean accumulate,
      CudaScratch scratch) {
    int rank = spec.rank();
    if (phi.v() != 0) {
      sumColumns(
          scratch.dvTerms, phi.ldU(), n, rank, gradients.of(Parameter.V), accumulate, scratch);
    }
    if (!spec.staticForm() && spec.parameters().contains(Parameter.A_BIAS)) {
      long da = gradients.of(Parameter.A_BIAS);
      sumColumns(scratch.dz, phi.ldZ(), n, phi.downRank(), da, accumulate, scratch);
    }
    switch (phi.nonlinearity()) {
      case Nonlinearity.Pointwise p -> {}
      case Nonlinearity.SwiGlu s -> {}
      case Nonlinearity.Swish s -> {
        long dBeta = gradients.of(Parameter.BETA);
        sumColumns(scratch.dBetaTerms, phi.ldU(), n, rank, dBeta, accumulate, scratch);
      }
      case Nonlinearity.Mixer m ->
          matrix(
              scratch.g,
              new DeviceMatrix(z, phi.ldZ(), DType.F32),
              n,
              rank,
              gradients.of(Parameter.MIXER),
              accumulate,
              scratch);
      case Nonlinearity.Aurora a -> {
        if (a.fixedTerm()) {
          matrix(
              scratch.da,
              new DeviceMatrix(scratch.t, phi.ldU(), DType.F32),
              n,
              rank,
              gradients.of(Parameter.H),
              accumulate,
              scratch);
        }
        if (a.splineTerm()) {
          spline(phi, a.mode(), a.grid(), n, z, gradients, accumulate, scratch);
        }
      }
    }
  }

  /** out [r, k] from U [n, r] and D [n, k]. */
  private void matrix(
      long u, DeviceMatrix d, long n, long k, long out, boolean accumulate, CudaScratch scratch) {
    if (n > 0) {
      outer(d, n, k, spec.rank(), u, null, scratch);
    }
    Shares shares = shares(n, spec.rank(), k, scratch);
    reduce(shares, 0, 1, out, k, spec.rank(), k, false, accumulate, scratch);
  }

  private void spline(
      PhiWeights phi,
      SplineMode mode,
      SplineGrid grid,
      long n,
      long z,
      GradientAddresses gradients,
      boolean accumulate,
      CudaScratch scratch) {
    int bases = grid.bases();
    int rank = spec.rank();
    long out = gradients.of(Parameter.SPLINE);
    switch (mode) {
      case SUM ->
          matrix(
              scratch.g,
              new DeviceMatrix(scratch.q, Packed.ld(bases), DType.F32),
              n,
              bases,
              out,
              accumulate,
              scratch);
      case CHANNEL -> {
        long columns = (long) rank * bases;
        columnSums(scratch.g, phi.ldU(), n, columns, z, phi.ldZ(), grid, scratch);
        reduce(
            columnShares(n, 1, columns, scratch),
            0,
            1,
            out,
            columns,
            1,
            columns,
            false,
            accumulate,
            scratch);
      }
      case FULL -> {
        long columns = (long) rank * bases;
        if (n > 0) {
          Arguments arguments = scratch.arguments;
          arguments
              .splineProduct
              .begin(n, columns, rank)
              .ranks(scratch.g)
              .shares(scratch.outerShares, Splits.rows(n, rank, columns));
          arguments.splineSource(z, phi.ldZ(), grid);
          scratch.launches.run(
              Kernel.OUTER_SPLINE,
              Splits.ceil(rank, 16),
              Splits.ceil(columns, Splits.OUTER_COLUMNS),
              Splits.rowSplits(n, rank, columns),
              QUEUE_BYTES,
              arguments.splineOuter);
        }
        Shares shares = shares(n, rank, columns, scratch);
        reduce(shares, 0, 1, out, columns, rank, columns, false, accumulate, scratch);
      }
    }
  }

  private static void sumColumns(
      long terms, long ld, long n, int columns, long out, boolean accumulate, CudaScratch scratch) {
    columnSums(terms, ld, n, columns, 0, 0, null, scratch);
    reduce(
        columnShares(n, 1, columns, scratch),
        0,
        1,
        out,
        columns,
        1,
        columns,
        false,
        accumulate,
        scratch);
  }

  private static void columnSums(
      long terms,
      long ld,
      long n,
      long columns,
      long z,
      long ldZ,
      @Nullable SplineGrid grid,
      CudaScratch scratch) {
    if (n > 0) {
      scratch.launches.run(
          Kernel.COLUMN_SUMS,
          Splits.ceil(columns, 32),
          Splits.rowSplits(n, 1, columns),
          1,
          Kernel.THREADS * 4L,
          scratch.arguments.columnSums(
              terms,
              ld,
              n,
              columns,
              Splits.rows(n, 1, columns),
              scratch.columnShares,
              z,
              ldZ,
              grid));
    }
  }

  /** Static form: from the gradient by φ(A) to that by A and φ's parameters, column by column. */
  private void columnGradients(
      StaticForm form,
      Shares shares,
      float factor,
      long dA,
      DeviceWeights weights,
      GradientAddresses gradients,
      boolean accumulate,
      CudaScratch scratch) {
    PhiWeights phi = weights.columnPhi();
    int in = spec.inFeatures();
    int rank = spec.rank();
    long transposed = scratch.staticGradient;
    reduce(shares, 0, factor, transposed, phi.ldU(), rank, in, true, false, scratch);
    Shares gradient = new Shares(transposed, 1, 0, phi.ldU(), phi.ldU());
    phiBackward(phi, in, form.columns(), gradient, null, true, 0, scratch);
    Shares dz = new Shares(scratch.dz, 1, 0, phi.ldZ(), rank);
    reduce(dz, 0, 1, dA, in, in, rank, true, accumulate, scratch);
    parameterSums(phi, in, form.columns(), gradients, accumulate, scratch);
  }
}
