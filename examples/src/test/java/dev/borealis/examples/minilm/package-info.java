/** Tests of the sentence encoder. */
@NullMarked
package dev.borealis.examples.minilm;

import org.jspecify.annotations.NullMarked;
