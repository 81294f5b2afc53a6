/** A small strict JSON reader and writer, for checkpoint headers and configurations. */
@NullMarked
package dev.borealis.internal.json;

import org.jspecify.annotations.NullMarked;
