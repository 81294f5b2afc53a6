/** Streams of a backend's work, and copies of tensors between the host and a device. */
@NullMarked
package dev.borealis.device;

import org.jspecify.annotations.NullMarked;
