/** Views over memory: shape, row stride and element type, never ownership. */
@NullMarked
package dev.borealis.tensor;

import org.jspecify.annotations.NullMarked;
