/**
 * Typed, strided views over {@link java.lang.foreign.MemorySegment}: the only data type that
 * crosses the library's API. Arenas own the memory; a {@link dev.borealis.tensor.Tensor} never
 * does.
 */
@NullMarked
package dev.borealis.tensor;

import org.jspecify.annotations.NullMarked;
