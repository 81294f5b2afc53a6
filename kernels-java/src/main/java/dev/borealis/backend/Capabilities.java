package dev.borealis.backend;

/**
 * What a started backend works with.
 *
 * @param vectorBits width of its vectors in bits, 0 if it has none
 * @param threads largest number of threads of a call, the caller's included
 * @param description one line for logs
 */
public record Capabilities(int vectorBits, int threads, String description) {}
