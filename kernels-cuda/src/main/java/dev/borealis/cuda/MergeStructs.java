package dev.borealis.cuda;

import static dev.borealis.cuda.Structs.doubles;
import static dev.borealis.cuda.Structs.ints;
import static dev.borealis.cuda.Structs.longs;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;

/** The structs of arguments.cuh that are about merges. */
final class MergeStructs {
  static final StructLayout WIDEN =
      MemoryLayout.structLayout(
          longs("in"),
          longs("rowGain"),
          longs("columnGain"),
          longs("out"),
          longs("notFinite"),
          longs("ldIn"),
          ints("rows"),
          ints("columns"),
          doubles("factor"));

  static final StructLayout PRODUCT =
      MemoryLayout.structLayout(
          longs("p"),
          longs("q"),
          longs("addend"),
          longs("out"),
          longs("pRow"),
          longs("pColumn"),
          longs("qRow"),
          longs("qColumn"),
          longs("addRow"),
          longs("addColumn"),
          ints("rows"),
          ints("columns"),
          ints("inner"),
          ints("outF32"));

  static final StructLayout PHI =
      MemoryLayout.structLayout(
          longs("z"),
          longs("u"),
          longs("matrix"),
          longs("spline"),
          longs("beta"),
          longs("v"),
          longs("zRow"),
          longs("zColumn"),
          longs("uRow"),
          longs("uColumn"),
          ints("r"),
          ints("ra"),
          ints("kind"),
          ints("activation"),
          ints("fixedTerm"),
          ints("splineTerm"),
          ints("splineMode"),
          ints("gridSize"),
          doubles("gridMin"),
          doubles("step"));

  static final StructLayout CENTRE =
      MemoryLayout.structLayout(longs("values"), longs("mean"), ints("rows"), ints("columns"));

  static final StructLayout ADD =
      MemoryLayout.structLayout(
          longs("w"), longs("delta"), longs("ldW"), ints("rows"), ints("columns"));

  static final StructLayout FINGERPRINT =
      MemoryLayout.structLayout(
          longs("in"), longs("hashes"), longs("ldIn"), ints("rows"), ints("columns"));

  private MergeStructs() {}
}
