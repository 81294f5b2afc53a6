/**
 * The methods: what an adapter is ({@link dev.borealis.adapter.AdapterSpec}), its parameters
 * ({@link dev.borealis.adapter.AdapterWeights}) and their gradients, and the prepared handle that
 * computes ({@link dev.borealis.adapter.Adapter}).
 */
@NullMarked
package dev.borealis.adapter;

import org.jspecify.annotations.NullMarked;
