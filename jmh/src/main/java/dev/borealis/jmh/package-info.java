/** Benchmarks. */
@NullMarked
package dev.borealis.jmh;

import org.jspecify.annotations.NullMarked;
