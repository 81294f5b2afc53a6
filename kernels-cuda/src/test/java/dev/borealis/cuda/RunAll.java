package dev.borealis.cuda;

import dev.borealis.backend.Backend;
import dev.borealis.backend.BackendUnavailableException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs in a JVM of its own all tests of the backend, but those that need no driver or are about
 * mistakes; or, given a number, the planted kernel with that mistake.
 */
final class RunAll {
  /** Of tests that make mistakes, which a sanitizer would end, or start programs of their own. */
  static final String APART = "apart";

  /** Begins the last line if nothing failed. */
  static final String DONE = "all done: ";

  /** Begins the only line where there is no driver, device or device code. */
  static final String UNAVAILABLE = "not here: ";

  private RunAll() {}

  public static void main(String[] args) {
    StandIn.problem().ifPresent(System.out::println);
    if (args.length > 0) {
      PlantedBugsTest.run(Integer.parseInt(args[0]));
      return;
    }
    try {
      System.out.println(Backend.require("cuda").capabilities());
    } catch (BackendUnavailableException e) {
      System.out.println(UNAVAILABLE + e.getMessage());
      return;
    }
    System.setProperty("borealis.test.backends", "cuda");
    LauncherDiscoveryRequest tests =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(
                DiscoverySelectors.selectPackage(RunAll.class.getPackageName()),
                DiscoverySelectors.selectClass("dev.borealis.backend.BackendPropertyTest"))
            .filters(TagFilter.excludeTags("exhaustive", "nodriver", APART))
            .build();
    SummaryGeneratingListener listener = new SummaryGeneratingListener();
    LauncherFactory.create().execute(tests, listener);
    TestExecutionSummary summary = listener.getSummary();
    summary.printFailuresTo(new PrintWriter(System.out, true, StandardCharsets.UTF_8));
    if (summary.getTotalFailureCount() == 0) {
      System.out.println(DONE + summary.getTestsSucceededCount() + " tests");
    }
  }
}
