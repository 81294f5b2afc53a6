/** Who computes: the service interface of backends, their selection and their refusals. */
@NullMarked
package dev.borealis.backend;

import org.jspecify.annotations.NullMarked;
