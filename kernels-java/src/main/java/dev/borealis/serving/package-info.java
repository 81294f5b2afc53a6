/** Many adapters in one process: calls over mixed batches, and a registry that swaps adapters. */
@NullMarked
package dev.borealis.serving;

import org.jspecify.annotations.NullMarked;
