/** Kernels for the CPU: packing, projections, activations and the worker pool. */
@NullMarked
package dev.borealis.internal.cpu;

import org.jspecify.annotations.NullMarked;
