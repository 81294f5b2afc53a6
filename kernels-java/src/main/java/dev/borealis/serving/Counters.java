package dev.borealis.serving;

/**
 * What an {@link AdapterRegistry} has done and holds, at about one moment.
 *
 * @param hits calls of acquire that found their adapter
 * @param misses calls of acquire that did not
 * @param loads adapters put in, those that replaced one included
 * @param swaps loads that replaced an adapter of the same name
 * @param evictions adapters taken out, for room or by name; not those at the registry's end
 * @param resident adapters that can be acquired
 * @param open versions whose memory isn't freed yet: the resident ones, and those swapped out or
 *     evicted while leased
 * @param bytes weights of the open versions, each number as F32
 */
public record Counters(
    long hits,
    long misses,
    long loads,
    long swaps,
    long evictions,
    int resident,
    int open,
    long bytes) {}
