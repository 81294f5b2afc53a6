/** Checkpoints on disk. */
@NullMarked
package dev.borealis.io;

import org.jspecify.annotations.NullMarked;
