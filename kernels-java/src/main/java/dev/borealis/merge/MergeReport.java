package dev.borealis.merge;

/**
 * How far a merged layer is from the adapter it replaces, on a sample of activations. With the
 * adapter's branch {@code Y [n, d_out]} and the merged one {@code Ŷ = X ΔWᵀ + Δb}, in double:
 *
 * @param samples n
 * @param relativeError {@code ‖Ŷ − Y‖ / ‖Y‖} (Frobenius); 0 if both are 0
 * @param maxAbsError {@code max |Ŷ − Y|}
 * @param constantShare {@code √n·‖mean of Y's rows‖ / ‖Y‖}, 0 to 1: the part of the branch that is
 *     the same for every token, and that only a bias can stand for; 0 if Y is 0
 */
public record MergeReport(
    long samples, double relativeError, double maxAbsError, double constantShare) {}
