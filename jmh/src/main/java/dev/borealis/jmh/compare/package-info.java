/**
 * Borealis, its peers and the machine's limits side by side: every case is computed by all of them
 * in turn, in one process, after each has been checked against the oracle.
 */
@NullMarked
package dev.borealis.jmh.compare;

import org.jspecify.annotations.NullMarked;
