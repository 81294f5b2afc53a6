package dev.borealis.tensor;

/**
 * Element type of a {@link Tensor}. Storage only: every kernel accumulates in fp32 or wider,
 * whatever the storage type.
 */
public enum DType {
  /** IEEE 754 binary32. */
  F32(4),
  /** bfloat16: the upper half of a binary32. */
  BF16(2),
  /** IEEE 754 binary16. */
  F16(2);

  private final int byteSize;

  DType(int byteSize) {
    this.byteSize = byteSize;
  }

  /** {@return the size of one element in bytes} */
  public int byteSize() {
    return byteSize;
  }

  /**
   * {@return the bfloat16 nearest to {@code value}, ties to even, as raw bits} NaN stays NaN
   * (quiet).
   *
   * @param value the number to round
   */
  public static short floatToBFloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      // Rounding could carry a NaN's payload away and leave an infinity: set the quiet bit instead.
      return (short) ((bits >>> 16) | 0x0040);
    }
    int roundToEven = 0x7fff + ((bits >>> 16) & 1);
    return (short) ((bits + roundToEven) >>> 16);
  }

  /**
   * {@return the float with the same value as a bfloat16}
   *
   * @param bits the raw bits of the bfloat16
   */
  public static float bFloat16ToFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
