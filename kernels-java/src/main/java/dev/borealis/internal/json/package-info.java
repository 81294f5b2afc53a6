/**
 * A small strict JSON reader and writer, for checkpoint headers and configurations. Our own because
 * this module has no run-time dependency, and because files come from anywhere: a name twice, an
 * unpaired surrogate, malformed UTF-8, or nesting without end must be refused, in memory linear in
 * the input.
 */
@NullMarked
package dev.borealis.internal.json;

import org.jspecify.annotations.NullMarked;
