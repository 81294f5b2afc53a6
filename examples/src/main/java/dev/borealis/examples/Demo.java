package dev.borealis.examples;

import dev.borealis.examples.encoder.EncoderDemo;
import dev.borealis.examples.finetune.FinetuneDemo;
import dev.borealis.examples.finetune.Report;
import dev.borealis.examples.finetune.StepProfile;
import dev.borealis.examples.finetune.Table;
import dev.borealis.examples.serving.ServingDemo;
import java.util.Map;
import java.util.TreeMap;

/** Runs a demonstration; exits with 1 if one of its checks fails, with 2 if there is none such. */
public final class Demo {
  private static final Map<String, Runnable> DEMOS =
      new TreeMap<>(
          Map.of(
              "encoder", EncoderDemo::run,
              "finetune", FinetuneDemo::run,
              "finetune-profile", StepProfile::run,
              "finetune-report", Report::run,
              "finetune-table", Table::run,
              "serve", ServingDemo::run));

  private Demo() {}

  /**
   * Runs the demonstration asked for.
   *
   * @param args its name; {@code encoder} if there is none
   */
  public static void main(String[] args) {
    String name = args.length == 0 ? "encoder" : args[0];
    Runnable demo = DEMOS.get(name);
    if (demo == null) {
      System.err.println("demo: expected one of " + DEMOS.keySet() + ", came " + name);
      System.exit(2);
      return;
    }
    try {
      demo.run();
    } catch (CheckFailedException e) {
      System.err.println("FAILED: " + e.getMessage());
      System.exit(1);
    }
  }
}
