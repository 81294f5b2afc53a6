package dev.borealis.jmh.compare;

import java.util.List;

/**
 * A whole run.
 *
 * @param mode quick, peers or full
 * @param options those it was started with, as on the command line; empty if none
 * @param processor of the machine
 * @param jdk that ran it
 * @param system it ran on
 * @param commit of the repository
 * @param date when it began, ISO 8601
 * @param limits traffic floors by pattern and level of the memory hierarchy
 * @param results of all cases
 * @param coldStarts of all contenders; empty if not measured
 * @param notes about the run: what is missing, what went wrong
 */
public record Run(
    String mode,
    String options,
    String processor,
    String jdk,
    String system,
    String commit,
    String date,
    List<Limit> limits,
    List<Result> results,
    List<ColdStart> coldStarts,
    List<String> notes) {}
