package dev.borealis.adapter;

/** What happens to the old value of an output: the β of {@code out = β·out + result}. */
public enum Update {
  /** β = 0: the old value is not read, so a NaN in it does no harm. */
  OVERWRITE,
  /** β = 1. */
  ACCUMULATE
}
