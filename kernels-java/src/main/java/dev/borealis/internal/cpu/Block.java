package dev.borealis.internal.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/**
 * The layout of Z, U and their gradients inside the kernels, and the small operations on it. A
 * block holds up to {@link #TOKENS} tokens: one row a rank unit, {@link #ROW} bytes apart, tokens
 * side by side, so that φ works on whole vectors whatever the rank. Lanes behind the last token
 * hold finite numbers that nobody reads, and zeros in gradients.
 */
final class Block {
  /** Tokens of a block: a multiple of every vector length and of the tile heights 6 and 4. */
  static final int TOKENS = 48;

  /** Bytes between two rows. */
  static final long ROW = TOKENS * 4L;

  /** Tokens of the longest vector, in which small ranks are cut on every machine. */
  static final int STEP = 16;

  private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private Block() {}

  /** {@return the number of blocks that hold {@code tokens} tokens} */
  static int count(long tokens) {
    return Math.toIntExact((tokens + TOKENS - 1) / TOKENS);
  }

  /**
   * {@return where a block starts if tokens are cut into blocks of nearly the same size, all but
   * the last one whole steps}
   *
   * @param step tokens
   */
  static long first(long tokens, long block, long blocks, int step) {
    long steps = (tokens + step - 1) / step;
    return Math.min(tokens, steps * block / blocks * step);
  }

  /** {@return {@code tokens} rounded up to whole vectors} */
  static int width(int tokens) {
    return (int) Species.wholeVectors(tokens);
  }

  /**
   * Sets the last vector of every row to zero if {@code tokens} don't fill it, before they are
   * written, so that zeros stand behind them.
   */
  static void clearTail(MemorySegment b, long b0, int rows, int tokens) {
    int whole = tokens / Species.LANES * Species.LANES;
    for (int j = 0; j < rows && whole < tokens; j++) {
      FloatVector.zero(Species.F32).intoMemorySegment(b, b0 + j * ROW + whole * 4L, ORDER);
    }
  }

  /** {@code row = 0}. */
  static void clear(MemorySegment b, long row, int width) {
    b = Native.exact(b);
    for (int i = 0; i < width; i += Species.LANES) {
      FloatVector.zero(Species.F32).intoMemorySegment(b, row + i * 4L, ORDER);
    }
  }

  /** {@code row *= factor}. */
  static void scale(MemorySegment b, long row, int width, float factor) {
    scaled(b, row, b, row, width, factor);
  }

  /** {@code out = factor · in}; out may be in. */
  static void scaled(
      MemorySegment in, long in0, MemorySegment out, long out0, int width, float factor) {
    in = Native.exact(in);
    out = Native.exact(out);
    for (int i = 0; i < width; i += Species.LANES) {
      FloatVector.fromMemorySegment(Species.F32, in, in0 + i * 4L, ORDER)
          .mul(factor)
          .intoMemorySegment(out, out0 + i * 4L, ORDER);
    }
  }

  /** {@code out += in}. */
  static void add(MemorySegment in, long in0, MemorySegment out, long out0, int width) {
    in = Native.exact(in);
    out = Native.exact(out);
    for (int i = 0; i < width; i += Species.LANES) {
      FloatVector.fromMemorySegment(Species.F32, out, out0 + i * 4L, ORDER)
          .add(FloatVector.fromMemorySegment(Species.F32, in, in0 + i * 4L, ORDER))
          .intoMemorySegment(out, out0 + i * 4L, ORDER);
    }
  }

  /** {@code row += summand}. */
  static void shift(MemorySegment b, long row, int width, float summand) {
    b = Native.exact(b);
    for (int i = 0; i < width; i += Species.LANES) {
      FloatVector.fromMemorySegment(Species.F32, b, row + i * 4L, ORDER)
          .add(summand)
          .intoMemorySegment(b, row + i * 4L, ORDER);
    }
  }

  /** {@code c = a ⊙ b}; c may be a or b. */
  static void multiply(
      MemorySegment a, long a0, MemorySegment b, long b0, MemorySegment c, long c0, int width) {
    a = Native.exact(a);
    b = Native.exact(b);
    c = Native.exact(c);
    for (int i = 0; i < width; i += Species.LANES) {
      FloatVector.fromMemorySegment(Species.F32, a, a0 + i * 4L, ORDER)
          .mul(FloatVector.fromMemorySegment(Species.F32, b, b0 + i * 4L, ORDER))
          .intoMemorySegment(c, c0 + i * 4L, ORDER);
    }
  }

  /** Adds {@code Σ a_i b_i} over a row's tokens, in their order, to one float. */
  static void addDot(
      MemorySegment a, long a0, MemorySegment b, long b0, int tokens, MemorySegment sums, long at) {
    a = Native.exact(a);
    b = Native.exact(b);
    float sum = 0;
    for (int i = 0; i < tokens; i++) {
      sum = Math.fma(a.get(F, a0 + i * 4L), b.get(F, b0 + i * 4L), sum);
    }
    sums.set(F, at, sums.get(F, at) + sum);
  }

  /** Adds the sum of a row's tokens, in their order, to one float. */
  static void addSum(MemorySegment b, long row, int tokens, MemorySegment sums, long at) {
    b = Native.exact(b);
    float sum = 0;
    for (int i = 0; i < tokens; i++) {
      sum += b.get(F, row + i * 4L);
    }
    sums.set(F, at, sums.get(F, at) + sum);
  }

  /**
   * Multiplies by a mask that lies the other way: one row a token, {@code rows} wide.
   *
   * @param maskStride floats between two tokens of the mask; 0 if all share one
   */
  static void mask(
      MemorySegment b, long b0, int rows, int tokens, MemorySegment mask, long maskStride) {
    b = Native.exact(b);
    mask = Native.exact(mask);
    for (int j = 0; j < rows; j++) {
      for (int i = 0; i < tokens; i++) {
        long at = b0 + j * ROW + i * 4L;
        b.set(F, at, b.get(F, at) * mask.get(F, (i * maskStride + j) * 4L));
      }
    }
  }
}
