/** Optimisers for adapter weights. */
@NullMarked
package dev.borealis.optim;

import org.jspecify.annotations.NullMarked;
