package dev.borealis.examples.conformance;

import dev.borealis.adapter.Activation;
import dev.borealis.adapter.AdapterSpec;
import dev.borealis.adapter.AdapterWeights;
import dev.borealis.adapter.CallOptions;
import dev.borealis.adapter.HiddenDropoutMode;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.adapter.SplineMode;
import dev.borealis.adapter.Update;
import dev.borealis.io.SafeTensors;
import dev.borealis.io.StoredType;
import dev.borealis.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * One recorded case: a safetensors file of format {@code adapter-conformance-1}. Its metadata
 * describes the adapter and the call; the tensors {@code x}, {@code y0}, {@code dy} and the
 * parameters are the input; those named {@code expect.…} are the expected results in double.
 */
public final class ConformanceCase {
  private static final String FORMAT = "adapter-conformance-1";
  private static final String EXPECTED = "expect.";
  private static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final String name;
  private final SafeTensors file;
  private final AdapterWeights weights;
  private final CallOptions options;

  private ConformanceCase(String name, SafeTensors file) {
    this.name = name;
    this.file = file;
    AdapterSpec spec = spec();
    Map<Parameter, Tensor> tensors = new EnumMap<>(Parameter.class);
    for (Parameter parameter : spec.parameters()) {
      tensors.put(parameter, file.tensor(parameter.tensorName()));
    }
    this.weights = new AdapterWeights(spec, tensors);
    this.options =
        new CallOptions(spec.scale(), Update.ACCUMULATE, integer("seed"), (int) integer("step"));
  }

  /**
   * Maps a file and reads its configuration.
   *
   * @param path the file
   * @param arena owner of the tensors
   * @return the opened file
   * @throws IOException if the file can't be read or is malformed
   * @throws IllegalArgumentException if the configuration is not understood
   * @throws java.util.NoSuchElementException if a tensor is missing
   */
  public static ConformanceCase open(Path path, Arena arena) throws IOException {
    return new ConformanceCase(String.valueOf(path.getFileName()), SafeTensors.open(path, arena));
  }

  private AdapterSpec spec() {
    requireValue("format", FORMAT);
    requireValue("spline_order", "3");
    int in = (int) file.tensor("x").columns();
    int out = (int) file.tensor("y0").columns();
    int rank = (int) integer("rank");
    String method = text("method");
    AdapterSpec.Builder builder =
        switch (method) {
          case "LORA" -> AdapterSpec.lora(in, out, rank);
          case "MOSLORA" -> AdapterSpec.mosLora(in, out, rank);
          case "AURORA" -> aurora(in, out, rank);
          case "NORA" -> AdapterSpec.nora(in, out, rank);
          case "NORA_SWIGLU" -> AdapterSpec.noraSwiGlu(in, out, rank);
          case "NOLORA" ->
              text("activation").equals("swish")
                  ? AdapterSpec.noLora(in, out, rank)
                  : AdapterSpec.noLora(in, out, rank, activation());
          default ->
              throw new IllegalArgumentException(
                  name
                      + ": method: expected LORA, MOSLORA, AURORA, NORA, NORA_SWIGLU or NOLORA,"
                      + " came "
                      + method);
        };
    if (has(Parameter.A_BIAS)) {
      builder.downBias();
    }
    if (has(Parameter.B_BIAS)) {
      builder.upBias();
    }
    if (has(Parameter.GAIN)) {
      builder.gain();
    }
    if (has(Parameter.V)) {
      builder.modulation();
    }
    return builder
        .scale(number("scale"))
        .inputDropout(number("input_dropout"))
        .hiddenDropout(
            number("hidden_dropout"), HiddenDropoutMode.valueOf(text("hidden_dropout_mode")))
        .build();
  }

  private AdapterSpec.Builder aurora(int in, int out, int rank) {
    return AdapterSpec.aurora(in, out, rank)
        .activation(activation())
        .terms(flag("fixed"), flag("learnable"))
        .spline(SplineMode.valueOf(text("spline_mode")))
        .grid(new SplineGrid((int) integer("grid_size"), number("grid_min"), number("grid_max")));
  }

  private boolean has(Parameter parameter) {
    return file.names().contains(parameter.tensorName());
  }

  private Activation activation() {
    return Activation.valueOf(text("activation").toUpperCase(Locale.ROOT));
  }

  private String text(String key) {
    String value = file.metadata().get(key);
    if (value == null) {
      throw new IllegalArgumentException(
          name + ": expected metadata " + key + ", came " + file.metadata().keySet());
    }
    return value;
  }

  private void requireValue(String key, String expected) {
    if (!text(key).equals(expected)) {
      throw new IllegalArgumentException(
          name + ": " + key + ": expected " + expected + ", came " + text(key));
    }
  }

  private boolean flag(String key) {
    return switch (text(key)) {
      case "true" -> true;
      case "false" -> false;
      default ->
          throw new IllegalArgumentException(
              name + ": " + key + ": expected true or false, came " + text(key));
    };
  }

  private double number(String key) {
    try {
      return Double.parseDouble(text(key));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          name + ": " + key + ": expected a number, came " + text(key), e);
    }
  }

  /** Signed or unsigned, up to 64 bits. */
  private long integer(String key) {
    String value = text(key);
    try {
      return value.startsWith("-") ? Long.parseLong(value) : Long.parseUnsignedLong(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          name + ": " + key + ": expected an integer, came " + value, e);
    }
  }

  /** {@return the file's name} */
  public String name() {
    return name;
  }

  /** {@return the parameters, read-only} */
  public AdapterWeights weights() {
    return weights;
  }

  /** {@return scale, seed and step of the call; the branch is added to y0} */
  public CallOptions options() {
    return options;
  }

  /** {@return x [n, d_in]} */
  public Tensor x() {
    return file.tensor("x");
  }

  /** {@return the old value of y [n, d_out]} */
  public Tensor y0() {
    return file.tensor("y0");
  }

  /** {@return the gradient of the loss by y [n, d_out]} */
  public Tensor dY() {
    return file.tensor("dy");
  }

  /** {@return the expected results, dense, by name without {@code expect.}, in the names' order} */
  public Map<String, double[]> expected() {
    Map<String, double[]> results = new TreeMap<>();
    for (String tensor : file.names()) {
      if (tensor.startsWith(EXPECTED)) {
        results.put(tensor.substring(EXPECTED.length()), doubles(tensor));
      }
    }
    return results;
  }

  private double[] doubles(String tensor) {
    SafeTensors.Entry entry = file.entry(tensor);
    if (entry.type() != StoredType.F64) {
      throw new IllegalArgumentException(
          name + ": " + tensor + ": expected F64, came " + entry.type());
    }
    MemorySegment data = entry.data();
    double[] values = new double[Math.toIntExact(data.byteSize() / Double.BYTES)];
    for (int i = 0; i < values.length; i++) {
      values[i] = data.get(F64, (long) i * Double.BYTES);
    }
    return values;
  }

  @Override
  public String toString() {
    return name + " (" + weights.spec() + ", " + x().rows() + " tokens)";
  }
}
