package dev.borealis.adapter;

/** What a {@link Workspace} is for. */
public enum Mode {
  /** Forward only; no dropout; nothing is kept. */
  INFERENCE,
  /** Forward with dropout, then backward: Z is kept in fp32 between the two. */
  TRAINING
}
