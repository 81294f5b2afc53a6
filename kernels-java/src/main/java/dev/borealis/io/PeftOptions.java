package dev.borealis.io;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Nonlinearity;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.UnsupportedSpecException;
import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What all modules of a checkpoint have in common: everything in their specifications but shapes,
 * rank and scale. One class reads it from a config and writes it, so that the two agree.
 *
 * @param type peft_type
 * @param nonlinearity φ
 * @param modulation whether there is lora_v
 * @param outputGain whether there is lora_g
 * @param downBias whether there is lora_A.bias
 * @param upBias whether there is lora_B.bias
 * @param inputDropout probability
 * @param hiddenDropout probability
 * @param hiddenDropoutMode how the hidden dropout is drawn
 * @param staticForm whether φ acts on the columns of A
 */
record PeftOptions(
    Type type,
    Nonlinearity nonlinearity,
    boolean modulation,
    boolean outputGain,
    boolean downBias,
    boolean upBias,
    double inputDropout,
    double hiddenDropout,
    HiddenDropoutMode hiddenDropoutMode,
    boolean staticForm) {

  /** Values of peft_type. LORA is PEFT's, and only what PEFT computes; the others are ours. */
  enum Type {
    LORA,
    MOSLORA,
    AURORA,
    NORA,
    NOLORA
  }

  private static final String SWIGLU = "NORA_SWIGLU";
  private static final String SWISH = "swish";

  /**
   * Reads the options.
   *
   * @throws PeftException if a value isn't legal, named
   */
  static PeftOptions read(PeftValues values) throws PeftException {
    if (values.get("peft_type") == null) {
      throw values.refuse("peft_type", "expected one of " + Arrays.toString(Type.values()));
    }
    Type type = values.choice("peft_type", Type.LORA, named(Type.values(), Enum::name));
    double dropout = values.number("lora_dropout", values.number("input_dropout", 0));
    if (values.number("input_dropout", dropout) != dropout) {
      throw values.refuse("input_dropout", "expected the same as lora_dropout, " + dropout);
    }
    Map<String, HiddenDropoutMode> modes = named(HiddenDropoutMode.values(), Enum::name);
    PeftOptions options =
        new PeftOptions(
            type,
            nonlinearity(type, values),
            values.bool("modulation", type == Type.NOLORA),
            values.bool("output_gain", false),
            values.bool("down_bias", false),
            values.bool("lora_bias", false),
            dropout,
            values.number("hidden_dropout", 0),
            values.choice("hidden_dropout_mode", HiddenDropoutMode.ELEMENT, modes),
            values.bool("static_form", false));
    Type expected = options.writtenAs();
    if (type == Type.LORA && expected != Type.LORA) {
      throw values.refuse(
          "peft_type", "expected " + expected + " for options that PEFT's LoRA doesn't have");
    }
    return options;
  }

  /** {@return the options of a specification} */
  static PeftOptions of(AdapterSpec spec) {
    PeftOptions options =
        new PeftOptions(
            Type.NOLORA,
            spec.nonlinearity(),
            spec.parameters().contains(Parameter.V),
            spec.parameters().contains(Parameter.GAIN),
            spec.parameters().contains(Parameter.A_BIAS),
            spec.parameters().contains(Parameter.B_BIAS),
            spec.inputDropout(),
            spec.hiddenDropout(),
            spec.hiddenDropoutMode(),
            spec.staticForm());
    return options.as(options.writtenAs());
  }

  private PeftOptions as(Type other) {
    return new PeftOptions(
        other,
        nonlinearity,
        modulation,
        outputGain,
        downBias,
        upBias,
        inputDropout,
        hiddenDropout,
        hiddenDropoutMode,
        staticForm);
  }

  /** {@return the type whose name says the most about these options} */
  private Type writtenAs() {
    return switch (nonlinearity) {
      case Nonlinearity.Mixer m -> Type.MOSLORA;
      case Nonlinearity.Aurora a -> Type.AURORA;
      case Nonlinearity.SwiGlu g -> Type.NORA;
      case Nonlinearity.Swish s -> Type.NOLORA;
      case Nonlinearity.Pointwise p -> {
        boolean linear = p.activation() == Activation.IDENTITY;
        if (linear && !modulation && !outputGain && !downBias && hiddenDropout == 0) {
          yield Type.LORA;
        }
        yield p.activation() == Activation.SILU && !modulation ? Type.NORA : Type.NOLORA;
      }
    };
  }

  /**
   * Starts the specification of one module.
   *
   * @param gain whether it has an output gain whatever these options say (DoRA)
   */
  AdapterSpec.Builder spec(int inFeatures, int outFeatures, int rank, boolean gain) {
    AdapterSpec.Builder builder =
        AdapterSpec.lora(inFeatures, outFeatures, rank)
            .nonlinearity(nonlinearity)
            .inputDropout(inputDropout)
            .hiddenDropout(hiddenDropout, hiddenDropoutMode);
    if (modulation) {
      builder.modulation();
    }
    if (outputGain || gain) {
      builder.gain();
    }
    if (downBias) {
      builder.downBias();
    }
    if (upBias) {
      builder.upBias();
    }
    return staticForm ? builder.staticForm() : builder;
  }

  /** Adds the keys that say all this. A LORA gets no key that PEFT doesn't know. */
  void writeTo(Map<String, @Nullable Object> config) {
    config.put("peft_type", type.name());
    config.put("lora_dropout", inputDropout);
    if (upBias) {
      config.put("lora_bias", true);
    }
    if (type == Type.LORA) {
      return;
    }
    config.put("input_dropout", inputDropout);
    config.put("hidden_dropout", hiddenDropout);
    config.put("hidden_dropout_mode", hiddenDropoutMode.name());
    config.put("modulation", modulation);
    config.put("output_gain", outputGain);
    config.put("down_bias", downBias);
    config.put("static_form", staticForm);
    config.put("method", nonlinearity instanceof Nonlinearity.SwiGlu ? SWIGLU : type.name());
    config.put(
        "activation",
        switch (nonlinearity) {
          case Nonlinearity.Pointwise p -> text(p.activation());
          case Nonlinearity.Aurora a -> text(a.activation());
          case Nonlinearity.Swish s -> SWISH;
          case Nonlinearity.SwiGlu g -> text(Activation.SILU);
          case Nonlinearity.Mixer m -> text(Activation.IDENTITY);
        });
    if (nonlinearity instanceof Nonlinearity.Aurora a) {
      config.put("fixed", a.fixedTerm());
      config.put("learnable", a.splineTerm());
      config.put("spline_mode", a.mode().name());
      config.put("spline_order", 3);
      config.put("grid_size", a.grid().size());
      config.put("grid_min", a.grid().min());
      config.put("grid_max", a.grid().max());
    }
  }

  private static Nonlinearity nonlinearity(Type type, PeftValues values) throws PeftException {
    String method = values.text("method", type.name());
    boolean swiGlu = type == Type.NORA && method.equals(SWIGLU);
    if (!swiGlu && !method.equals(type.name())) {
      throw values.refuse("method", "expected one that belongs to peft_type " + type);
    }
    if (type == Type.NOLORA && values.text("activation", SWISH).equals(SWISH)) {
      return new Nonlinearity.Swish();
    }
    Activation usual =
        switch (type) {
          case LORA, MOSLORA -> Activation.IDENTITY;
          case AURORA -> Activation.TANH;
          case NORA, NOLORA -> Activation.SILU;
        };
    Map<String, Activation> activations = named(Activation.values(), PeftOptions::text);
    Activation activation = values.choice("activation", usual, activations);
    if (activation != usual && type != Type.AURORA && type != Type.NOLORA) {
      throw values.refuse("activation", "expected " + text(usual) + " for " + type);
    }
    return switch (type) {
      case LORA, NOLORA -> new Nonlinearity.Pointwise(activation);
      case MOSLORA -> new Nonlinearity.Mixer();
      case NORA -> swiGlu ? new Nonlinearity.SwiGlu() : new Nonlinearity.Pointwise(activation);
      case AURORA -> aurora(activation, values);
    };
  }

  private static Nonlinearity aurora(Activation activation, PeftValues values)
      throws PeftException {
    if (values.integer("spline_order", 3) != 3) {
      throw values.refuse("spline_order", "expected 3, a cubic spline");
    }
    SplineGrid usual = SplineGrid.DEFAULT;
    try {
      return new Nonlinearity.Aurora(
          activation,
          values.bool("fixed", true),
          values.bool("learnable", true),
          values.choice("spline_mode", SplineMode.SUM, named(SplineMode.values(), Enum::name)),
          new SplineGrid(
              values.integer("grid_size", usual.size()),
              values.number("grid_min", usual.min()),
              values.number("grid_max", usual.max())));
    } catch (UnsupportedSpecException e) {
      throw values.malformed(String.valueOf(e.getMessage()), e);
    }
  }

  private static String text(Activation activation) {
    return activation.name().toLowerCase(Locale.ROOT);
  }

  private static <T> Map<String, T> named(T[] values, Function<T, String> name) {
    Map<String, T> map = new TreeMap<>();
    for (T value : values) {
      map.put(name.apply(value), value);
    }
    return Collections.unmodifiableMap(map);
  }
}
