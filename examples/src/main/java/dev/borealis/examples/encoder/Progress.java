package dev.borealis.examples.encoder;

import java.io.Console;
import java.util.Optional;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress bars: redrawn in place on a terminal, a line now and then where there is none. */
public final class Progress {
  private static final int WIDTH = 100;
  private static final int TERMINAL_MILLIS = 200;
  private static final int LOG_MILLIS = 10_000;

  private Progress() {}

  /**
   * Starts a bar.
   *
   * @param task what is going on
   * @param steps how many there are
   * @return the bar, to be closed
   */
  public static ProgressBar of(String task, int steps) {
    ProgressBarBuilder builder =
        ProgressBar.builder()
            .setTaskName(task)
            .setInitialMax(steps)
            .setStyle(ProgressBarStyle.ASCII);
    if (Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent()) {
      return builder.setUpdateIntervalMillis(TERMINAL_MILLIS).clearDisplayOnFinish().build();
    }
    return builder
        .setUpdateIntervalMillis(LOG_MILLIS)
        .setConsumer(new DelegatingProgressBarConsumer(System.out::println, WIDTH))
        .build();
  }
}
