package dev.borealis.merge;

/** The map from Z to U that a calibrated merge fits to sample activations. */
public enum Calibration {
  /** {@code U ≈ Z Mᵀ}: the base layer's bias stays as it is. */
  LINEAR,
  /** {@code U ≈ Z Mᵀ + c}: the intercept goes into the base layer's bias. */
  AFFINE
}
