/** Runs recorded cases and compares the results with the expected ones. */
@NullMarked
package dev.borealis.examples.conformance;

import org.jspecify.annotations.NullMarked;
