/**
 * Libraries that Borealis is compared with. Those here are plain C and are called through FFM, so
 * they compile without them; their artifacts are on the class path of the profile {@code bench}
 * only.
 */
@NullMarked
package dev.borealis.jmh.peer;

import org.jspecify.annotations.NullMarked;
