package dev.borealis.io;

import dev.borealis.tensor.DType;
import dev.borealis.tensor.ShapeMismatchException;
import java.util.Arrays;
import java.util.Optional;

/**
 * Element type of a tensor in a safetensors file. Wider than {@link DType}: everything can be
 * stored and given out as bytes, but only F32, F16 and BF16 become a {@link
 * dev.borealis.tensor.Tensor}. The constants' names are those of the format.
 */
public enum StoredType {
  /** One byte, 0 or 1. */
  BOOL(8),
  /** Float of 4 bits (E2M1), two to the byte. */
  F4(4),
  /** Float of 6 bits, packed. */
  F6_E2M3(6),
  /** Float of 6 bits, packed. */
  F6_E3M2(6),
  /** Unsigned integer of 8 bits. */
  U8(8),
  /** Signed integer of 8 bits. */
  I8(8),
  /** Float of 8 bits. */
  F8_E5M2(8),
  /** Float of 8 bits, finite values and NaN. */
  F8_E4M3(8),
  /** Float of 8 bits without infinities and negative zero. */
  F8_E5M2FNUZ(8),
  /** Float of 8 bits without infinities and negative zero. */
  F8_E4M3FNUZ(8),
  /** Power of two of 8 bits. */
  F8_E8M0(8),
  /** Signed integer of 16 bits. */
  I16(16),
  /** Unsigned integer of 16 bits. */
  U16(16),
  /** IEEE 754 binary16. */
  F16(16),
  /** bfloat16. */
  BF16(16),
  /** Signed integer of 32 bits. */
  I32(32),
  /** Unsigned integer of 32 bits. */
  U32(32),
  /** IEEE 754 binary32. */
  F32(32),
  /** Complex number of two binary32. */
  C64(64),
  /** IEEE 754 binary64. */
  F64(64),
  /** Signed integer of 64 bits. */
  I64(64),
  /** Unsigned integer of 64 bits. */
  U64(64);

  private final int bits;

  StoredType(int bits) {
    this.bits = bits;
  }

  /** {@return the size of one element in bits} */
  public int bits() {
    return bits;
  }

  /** {@return the type as which kernels see the elements; empty if they don't} */
  public Optional<DType> dtype() {
    return switch (this) {
      case F32 -> Optional.of(DType.F32);
      case F16 -> Optional.of(DType.F16);
      case BF16 -> Optional.of(DType.BF16);
      default -> Optional.empty();
    };
  }

  /**
   * {@return the stored type with the same elements}
   *
   * @param dtype a tensor's type
   */
  public static StoredType of(DType dtype) {
    return switch (dtype) {
      case F32 -> F32;
      case F16 -> F16;
      case BF16 -> BF16;
    };
  }

  /**
   * {@return the size of a dense tensor in bytes}
   *
   * @param shape any number of dimensions; none for a scalar
   * @throws ShapeMismatchException if a dimension is negative, the dimensions (zeros left out) are
   *     too large for the size to be counted in bits, or the tensor would end within a byte
   */
  public long byteSize(long... shape) {
    // Zeros are left out of the product, so that [0, huge, huge] is refused as [huge, huge, 0] is.
    long size = bits;
    boolean empty = false;
    for (long dimension : shape) {
      if (dimension < 0) {
        throw new ShapeMismatchException(
            "shape: expected dimensions >= 0, came " + Arrays.toString(shape));
      }
      empty |= dimension == 0;
      long factor = Math.max(dimension, 1);
      if (size > Long.MAX_VALUE / factor) {
        throw new ShapeMismatchException(
            "shape: expected less than 2^63 bits, came " + Arrays.toString(shape) + " of " + this);
      }
      size *= factor;
    }
    if (empty) {
      return 0;
    }
    if (size % 8 != 0) {
      throw new ShapeMismatchException(
          "shape: expected whole bytes, came " + Arrays.toString(shape) + " of " + this);
    }
    return size / 8;
  }
}
