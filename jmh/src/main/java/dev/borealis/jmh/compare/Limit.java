package dev.borealis.jmh.compare;

/**
 * A limit of the machine, one thread.
 *
 * @param pattern what a loop does with memory
 * @param level of the memory hierarchy that holds the data
 * @param bytes of the data
 * @param rate GB/s, where an update counts twice, in the best iteration
 */
public record Limit(Bandwidth.Pattern pattern, Bandwidth.Level level, long bytes, double rate) {}
