package dev.borealis.examples.minilm;

/**
 * Sizes of a BERT-like encoder.
 *
 * @param vocabulary number of word pieces
 * @param positions longest sentence, in tokens
 * @param hidden width of a token's vector
 * @param layers number of encoder layers
 * @param heads attention heads; divides {@code hidden}
 * @param intermediate width between the up- and the down-projection
 * @param layerNormEpsilon added to the variance
 */
public record MiniLmConfig(
    int vocabulary,
    int positions,
    int hidden,
    int layers,
    int heads,
    int intermediate,
    float layerNormEpsilon) {

  /** all-MiniLM-L6-v2. */
  public static final MiniLmConfig ALL_MINILM_L6_V2 =
      new MiniLmConfig(30_522, 512, 384, 6, 12, 1_536, 1e-12f);

  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if {@code heads} doesn't divide {@code hidden}
   */
  public MiniLmConfig {
    if (hidden % heads != 0) {
      throw new IllegalArgumentException(
          "hidden: expected a multiple of " + heads + " heads, came " + hidden);
    }
  }

  /**
   * Width of one attention head.
   *
   * @return {@code hidden / heads}
   */
  public int headSize() {
    return hidden / heads;
  }
}
