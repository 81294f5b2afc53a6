package dev.borealis.examples.minilm;

import java.lang.foreign.MemorySegment;

/**
 * A linear layer {@code y = x Wᵀ + b}.
 *
 * @param weight W, F32 {@code [out, in]}, row-major
 * @param bias b, F32 {@code [out]}
 * @param in width of x
 * @param out width of y
 */
public record LinearWeights(MemorySegment weight, MemorySegment bias, int in, int out) {}
