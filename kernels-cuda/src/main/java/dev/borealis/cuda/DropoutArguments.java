package dev.borealis.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import java.lang.foreign.MemorySegment;

/** Writes the struct {@code Dropout}. */
final class DropoutArguments {
  private static final int INPUT = 0;
  private static final int HIDDEN = 1;

  private static final long SEED = Structs.offset(Structs.DROPOUT, "seed");
  private static final long STEP = Structs.offset(Structs.DROPOUT, "step");
  private static final long STREAM = Structs.offset(Structs.DROPOUT, "stream");
  private static final long THRESHOLD = Structs.offset(Structs.DROPOUT, "threshold");
  private static final long KEPT = Structs.offset(Structs.DROPOUT, "kept");
  private static final long UNIT = Structs.offset(Structs.DROPOUT, "unit");
  private static final long ON = Structs.offset(Structs.DROPOUT, "on");

  private DropoutArguments() {}

  /** The value of kept entries of X's mask; 1 where there is none. */
  static float inputFactor(AdapterSpec spec, boolean masked) {
    return masked && spec.inputDropout() > 0 ? kept(spec.inputDropout()) : 1;
  }

  /** The value of kept entries of U's mask; 1 where there is none. */
  static float hiddenFactor(AdapterSpec spec, boolean masked) {
    return masked && spec.hiddenDropout() > 0 ? kept(spec.hiddenDropout()) : 1;
  }

  private static float kept(double probability) {
    return (float) (1 / (1 - probability));
  }

  /** The mask on X or dX. */
  static void input(MemorySegment mask, AdapterSpec spec, CallOptions options, boolean masked) {
    write(mask, spec.inputDropout(), options, INPUT, false, masked);
  }

  /** The mask on U or dU. */
  static void hidden(MemorySegment mask, AdapterSpec spec, CallOptions options, boolean masked) {
    boolean unit = spec.hiddenDropoutMode() == HiddenDropoutMode.UNIT;
    write(mask, spec.hiddenDropout(), options, HIDDEN, unit, masked);
  }

  private static void write(
      MemorySegment mask,
      double probability,
      CallOptions options,
      int stream,
      boolean unit,
      boolean masked) {
    mask.set(JAVA_LONG, SEED, options.seed());
    mask.set(JAVA_INT, STEP, options.step());
    mask.set(JAVA_INT, STREAM, stream);
    mask.set(JAVA_INT, THRESHOLD, (int) (long) Math.floor(probability * 0x1p32));
    mask.set(JAVA_FLOAT, KEPT, kept(probability));
    mask.set(JAVA_INT, UNIT, unit ? 1 : 0);
    mask.set(JAVA_INT, ON, masked && probability > 0 ? 1 : 0);
  }
}
