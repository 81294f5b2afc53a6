package dev.borealis.examples.finetune;

/**
 * What is left of a trained adapter after a merge.
 *
 * @param kind which merge
 * @param correct test examples classified rightly
 * @param relativeError ‖Ŷ − Y‖ / ‖Y‖ on held-out activations, mean over the adapters
 * @param constantShare of the dynamic branch, mean over the adapters
 */
record MergeResult(String kind, int correct, double relativeError, double constantShare) {}
