package dev.borealis.examples.finetune;

import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.SplineMode;
import java.util.Locale;

/**
 * Which adapter is trained.
 *
 * @param method its method
 * @param rank r
 * @param spline AuroRA's spline reading; the others have none
 */
record AdapterKind(Method method, int rank, SplineMode spline) {
  /** s of every method, as in AuroRA's paper. */
  private static final double SCALE = 2;

  /** The methods compared. */
  enum Method {
    LORA("LoRA"),
    MOSLORA("MoSLoRA"),
    AURORA("AuroRA"),
    NORA("NoRA"),
    NOLORA("NoLoRA");

    private final String title;

    Method(String title) {
      this.title = title;
    }

    /** The name as papers spell it. */
    String title() {
      return title;
    }
  }

  /** Specifies the adapter of one linear layer; without dropout. */
  AdapterSpec spec(int in, int out) {
    AdapterSpec.Builder builder =
        switch (method) {
          case LORA -> AdapterSpec.lora(in, out, rank);
          case MOSLORA -> AdapterSpec.mosLora(in, out, rank);
          case AURORA -> AdapterSpec.aurora(in, out, rank).spline(spline);
          case NORA -> AdapterSpec.nora(in, out, rank);
          case NOLORA -> AdapterSpec.noLora(in, out, rank);
        };
    return builder.scale(SCALE).build();
  }

  /** The name in tables, without the rank. */
  String title() {
    return method == Method.AURORA ? method.title() + " " + spline : method.title();
  }

  /** The name in paths. */
  String slug() {
    return (title() + " r" + rank).toLowerCase(Locale.ROOT).replace(' ', '-');
  }
}
