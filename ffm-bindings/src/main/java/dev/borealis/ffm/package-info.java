/** Native libraries and checked calls into them. */
@NullMarked
package dev.borealis.ffm;

import org.jspecify.annotations.NullMarked;
