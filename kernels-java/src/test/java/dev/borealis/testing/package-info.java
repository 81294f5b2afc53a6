/** What tests of several packages share. */
@NullMarked
package dev.borealis.testing;

import org.jspecify.annotations.NullMarked;
