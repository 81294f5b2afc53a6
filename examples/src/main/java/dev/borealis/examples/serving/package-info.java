/** One encoder serving many adapters: mixed batches, and versions swapped while it runs. */
@NullMarked
package dev.borealis.examples.serving;

import org.jspecify.annotations.NullMarked;
