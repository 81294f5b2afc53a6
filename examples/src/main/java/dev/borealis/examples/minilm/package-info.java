/**
 * The sentence encoder all-MiniLM-L6-v2, read from its ONNX file and run with interchangeable
 * {@link dev.borealis.examples.minilm.Projection projections}.
 *
 * <p>Everything but the projections (embeddings, attention, LayerNorm, GELU, pooling) is plain
 * Java, forward and backward. Activations are row-major F32 matrices in native memory, one row a
 * token; the tokens of all sentences of a batch lie one after the other, without padding.
 */
@NullMarked
package dev.borealis.examples.minilm;

import org.jspecify.annotations.NullMarked;
