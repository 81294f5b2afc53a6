package dev.borealis.examples.finetune;

import dev.borealis.examples.encoder.Threads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedStackTrace;
import jdk.jfr.consumer.RecordingFile;

/**
 * Where training steps spend their processor time, by the JDK's sampling profiler (JEP 509, on
 * Linux only) over all threads. Shares, which a busy machine hardly changes, and no times, which it
 * does.
 *
 * @param adapter which was trained
 * @param threads of kernels and of all else
 * @param steps how many were sampled
 * @param samples number of samples
 * @param shares of the samples, by part of the step
 */
public record StepProfile(
    String adapter, int threads, int steps, long samples, Map<String, Double> shares) {
  static final String FILE = "profile.json";

  private static final int WARM_UP = 60;
  private static final int STEPS = 60;
  private static final String PERIOD = "10ms";
  private static final String EVENT = "jdk.CPUTimeSample";

  /** Classes that tell the part, the innermost in a stack. */
  private static final Map<String, String> PARTS =
      Map.ofEntries(
          Map.entry("PanamaLinear", "frozen linear layers"),
          Map.entry("PanamaAdapter", "adapters"),
          Map.entry("Attention", "attention"),
          Map.entry("Gelu", "GELU"),
          Map.entry("LayerNorm", "LayerNorm"),
          Map.entry("Residual", "skip connections"),
          Map.entry("Pooling", "embeddings and pooling"),
          Map.entry("Embeddings", "embeddings and pooling"),
          Map.entry("Head", "head"),
          Map.entry("AdamW", "AdamW"),
          Map.entry("WorkerPool", "waiting for another thread"));

  /** Trains some steps with the given options, then samples some more. */
  public static void run() {
    int threads = Threads.limit();
    Options options = Options.read();
    try (Workbench bench = Workbench.open();
        TrainingRun training = new TrainingRun(bench, options, options.seeds().getFirst())) {
      training.steps(WARM_UP);
      Path file = Files.createTempFile("steps", ".jfr");
      try (Recording recording = new Recording()) {
        recording.enable(EVENT).with("throttle", PERIOD);
        recording.start();
        training.steps(STEPS);
        recording.stop();
        recording.dump(file);
      }
      String adapter = options.kind().title() + " r = " + options.kind().rank();
      StepProfile profile = of(file, adapter, threads);
      Files.delete(file);
      JsonFiles.write(options.out().resolve(FILE), profile);
      profile
          .shares()
          .forEach((part, share) -> System.out.printf("%-28s %5.1f %%%n", part, 100 * share));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static StepProfile of(Path file, String adapter, int threads) throws IOException {
    Map<String, Integer> counts = new LinkedHashMap<>();
    long samples = 0;
    for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
      RecordedStackTrace stack = event.getStackTrace();
      if (event.getEventType().getName().equals(EVENT) && stack != null) {
        counts.merge(part(stack.getFrames()), 1, Integer::sum);
        samples++;
      }
    }
    Map<String, Double> shares = new LinkedHashMap<>();
    double all = samples;
    counts.entrySet().stream()
        .sorted(Map.Entry.<String, Integer>comparingByValue().reversed())
        .forEach(entry -> shares.put(entry.getKey(), entry.getValue() / all));
    return new StepProfile(adapter, threads, STEPS, samples, shares);
  }

  private static String part(List<RecordedFrame> frames) {
    for (RecordedFrame frame : frames) {
      String type = frame.getMethod().getType().getName();
      String simple = type.substring(type.lastIndexOf('.') + 1);
      int nested = simple.indexOf('$');
      String part = PARTS.get(nested < 0 ? simple : simple.substring(0, nested));
      if (part != null) {
        return part;
      }
    }
    return "other";
  }
}
