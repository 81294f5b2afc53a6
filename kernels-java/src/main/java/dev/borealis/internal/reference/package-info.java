/** The oracle in double precision and the scalar fallback. */
@NullMarked
package dev.borealis.internal.reference;

import org.jspecify.annotations.NullMarked;
