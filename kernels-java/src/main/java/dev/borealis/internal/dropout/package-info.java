/** Dropout masks that are drawn from a counter instead of being stored. */
@NullMarked
package dev.borealis.internal.dropout;

import org.jspecify.annotations.NullMarked;
