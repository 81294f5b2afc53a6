/**
 * Every CPU kernel against the limits of the machine it runs on: the time of touching the same
 * bytes in the same pattern, and the peak of fused multiply-adds, measured in the same process.
 */
@NullMarked
package dev.borealis.jmh.cpu;

import org.jspecify.annotations.NullMarked;
