/** Peers that need their library to compile: part of the profile {@code bench} only. */
@NullMarked
package dev.borealis.jmh.compare.peers;

import org.jspecify.annotations.NullMarked;
