/** The adapters: what they compute, their weights, gradients and scratch memory. */
@NullMarked
package dev.borealis.adapter;

import org.jspecify.annotations.NullMarked;
