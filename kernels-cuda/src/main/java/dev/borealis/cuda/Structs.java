package dev.borealis.cuda;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/** The structs of arguments.cuh, member by member. */
final class Structs {
  static final StructLayout DROPOUT =
      MemoryLayout.structLayout(
          longs("seed"),
          ints("step"),
          ints("stream"),
          ints("threshold"),
          floats("kept"),
          ints("unit"),
          ints("on"));

  static final StructLayout PRODUCT =
      MemoryLayout.structLayout(
          longs("d"),
          longs("ldD"),
          longs("w"),
          longs("ldW"),
          longs("u"),
          longs("ldU"),
          longs("partial"),
          longs("columnSums"),
          longs("out"),
          longs("ldOut"),
          longs("bias"),
          ints("n"),
          ints("k"),
          ints("r"),
          ints("split"),
          ints("vectorD"),
          ints("vectorOut"),
          ints("outF32"),
          ints("accumulate"),
          ints("lowW"),
          floats("scale"),
          DROPOUT.withName("mask"));

  static final StructLayout PHI =
      MemoryLayout.structLayout(
          longs("partial"),
          longs("downBias"),
          longs("z"),
          longs("u"),
          longs("dz"),
          longs("parts"),
          longs("g"),
          longs("da"),
          longs("t"),
          longs("q"),
          longs("dvTerms"),
          longs("dBetaTerms"),
          longs("matrix"),
          longs("matrixTransposed"),
          longs("spline"),
          longs("beta"),
          longs("v"),
          longs("ldZ"),
          longs("ldU"),
          longs("ldQ"),
          longs("partialRow"),
          longs("partialStride"),
          ints("partials"),
          ints("n"),
          ints("r"),
          ints("ra"),
          ints("kind"),
          ints("activation"),
          ints("fixedTerm"),
          ints("splineTerm"),
          ints("splineMode"),
          ints("gridSize"),
          floats("gridMin"),
          floats("gridMinLow"),
          floats("inverseStep"),
          floats("inverseStepLow"),
          floats("scale"),
          ints("rows"),
          DROPOUT.withName("mask"));

  static final StructLayout FORWARD =
      MemoryLayout.structLayout(
          PRODUCT.withName("down"), PHI.withName("phi"), PRODUCT.withName("up"));

  static final StructLayout GROUP =
      MemoryLayout.structLayout(FORWARD.withName("forward"), longs("rows"));

  static final StructLayout BATCH = MemoryLayout.structLayout(longs("groups"), longs("tiles"));

  static final StructLayout REDUCTION =
      MemoryLayout.structLayout(
          longs("partial"),
          longs("gain"),
          longs("out"),
          longs("stride"),
          longs("ldP"),
          longs("ldOut"),
          ints("count"),
          ints("rows"),
          ints("columns"),
          ints("transposed"),
          ints("accumulate"),
          floats("factor"));

  static final StructLayout COLUMN_SUMS =
      MemoryLayout.structLayout(
          longs("terms"),
          longs("z"),
          longs("partial"),
          longs("ld"),
          longs("ldZ"),
          longs("ldP"),
          ints("n"),
          ints("columns"),
          ints("split"),
          ints("gridSize"),
          floats("gridMin"),
          floats("gridMinLow"),
          floats("inverseStep"),
          floats("inverseStepLow"));

  static final StructLayout SPLINE_OUTER =
      MemoryLayout.structLayout(PRODUCT.withName("product"), COLUMN_SUMS.withName("source"));

  static final StructLayout GAIN_GRADIENT =
      MemoryLayout.structLayout(
          longs("partial"),
          longs("b"),
          longs("out"),
          longs("stride"),
          longs("ldP"),
          longs("ldB"),
          ints("count"),
          ints("r"),
          ints("columns"),
          ints("accumulate"),
          floats("factor"),
          floats("reserved"));

  static final StructLayout PACK =
      MemoryLayout.structLayout(
          longs("in"),
          longs("gain"),
          longs("out"),
          longs("parts"),
          longs("ldIn"),
          longs("ldOut"),
          longs("partStride"),
          ints("rows"),
          ints("columns"),
          ints("transposed"),
          ints("reserved"));

  static final StructLayout ADAMW =
      MemoryLayout.structLayout(
          longs("w"),
          longs("g"),
          longs("m"),
          longs("v"),
          longs("count"),
          longs("columns"),
          longs("ldW"),
          longs("ldG"),
          doubles("beta1"),
          doubles("beta2"),
          doubles("epsilon"),
          doubles("keep"),
          doubles("stepSize"),
          doubles("rootCorrection"));

  private Structs() {}

  static MemoryLayout longs(String name) {
    return ValueLayout.JAVA_LONG.withName(name);
  }

  static MemoryLayout ints(String name) {
    return ValueLayout.JAVA_INT.withName(name);
  }

  private static MemoryLayout floats(String name) {
    return ValueLayout.JAVA_FLOAT.withName(name);
  }

  static MemoryLayout doubles(String name) {
    return ValueLayout.JAVA_DOUBLE.withName(name);
  }

  /** Returns where a member lies; the path descends into nested structs. */
  static long offset(StructLayout layout, String... path) {
    PathElement[] elements = new PathElement[path.length];
    for (int i = 0; i < path.length; i++) {
      elements[i] = PathElement.groupElement(path[i]);
    }
    return layout.byteOffset(elements);
  }
}
