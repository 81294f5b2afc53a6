/**
 * all-MiniLM-L6-v2 on Borealis: every linear layer of the encoder is a {@link
 * dev.borealis.adapter.Linear}, with adapters where they are wanted.
 */
@NullMarked
package dev.borealis.examples.encoder;

import org.jspecify.annotations.NullMarked;
