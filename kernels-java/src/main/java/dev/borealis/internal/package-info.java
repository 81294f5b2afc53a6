/** What several packages share and none exports. */
@NullMarked
package dev.borealis.internal;

import org.jspecify.annotations.NullMarked;
