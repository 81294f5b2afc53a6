/** The report: a page of tables and charts, generated from the results of a run. */
@NullMarked
package dev.borealis.jmh.report;

import org.jspecify.annotations.NullMarked;
