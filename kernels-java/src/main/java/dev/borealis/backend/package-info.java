/**
 * Backends: who computes. {@link dev.borealis.backend.Backend#auto()} takes the fastest that
 * starts; others can be named. New ones are found by {@link java.util.ServiceLoader}.
 */
@NullMarked
package dev.borealis.backend;

import org.jspecify.annotations.NullMarked;
