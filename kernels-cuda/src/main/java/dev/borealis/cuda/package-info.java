/** The CUDA backend. */
@NullMarked
package dev.borealis.cuda;

import org.jspecify.annotations.NullMarked;
