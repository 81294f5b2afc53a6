package dev.borealis.adapter;

/** How the dropout on the rank-r units is drawn (NoRA's "structural dropout"). */
public enum HiddenDropoutMode {
  /** Every token draws its own mask. */
  ELEMENT,
  /** One mask per rank unit for the whole call. */
  UNIT
}
