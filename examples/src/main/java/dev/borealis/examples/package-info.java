/** Demonstrations on real models and data. */
@NullMarked
package dev.borealis.examples;

import org.jspecify.annotations.NullMarked;
