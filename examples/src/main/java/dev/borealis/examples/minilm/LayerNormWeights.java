package dev.borealis.examples.minilm;

/**
 * Gain and shift of a LayerNorm.
 *
 * @param gamma the gain, one entry a column
 * @param beta the shift, one entry a column
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
public record LayerNormWeights(float[] gamma, float[] beta) {}
