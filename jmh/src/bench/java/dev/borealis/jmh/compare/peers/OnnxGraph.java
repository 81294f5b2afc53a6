package dev.borealis.jmh.compare.peers;

import ai.onnx.proto.OnnxMl;
import com.google.protobuf.ByteString;
import dev.borealis.adapter.Parameter;
import dev.borealis.adapter.SplineGrid;
import dev.borealis.jmh.compare.Problem;
import dev.borealis.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/** Writes an adapter's forward as an ONNX model with the weights inside, so that they are prepacked. */
final class OnnxGraph {
  private static final SplineGrid GRID = SplineGrid.DEFAULT;

  private final OnnxMl.GraphProto.Builder graph = OnnxMl.GraphProto.newBuilder().setName("adapter");
  private int nodes;

  private OnnxGraph() {}

  /** {@return the model: inputs x and y, output y_out} */
  static byte[] model(Problem problem) {
    OnnxGraph builder = new OnnxGraph();
    builder.build(problem);
    return OnnxMl.ModelProto.newBuilder()
        .setIrVersion(8)
        .addOpsetImport(OnnxMl.OperatorSetIdProto.newBuilder().setVersion(17))
        .setGraph(builder.graph)
        .build()
        .toByteArray();
  }

  private void build(Problem problem) {
    for (Parameter parameter : problem.spec().parameters()) {
      weight(parameter.name(), problem.weights().get(parameter));
    }
    long tokens = problem.tokens();
    graph.addInput(value("x", tokens, problem.spec().inFeatures()));
    graph.addInput(value("y", tokens, problem.spec().outFeatures()));
    graph.addOutput(value("y_out", tokens, problem.spec().outFeatures()));
    String z = gemm(List.of("x", "A"), 1);
    String u =
        switch (problem.method()) {
          case LORA -> z;
          case AURORA -> aurora(z);
          case NORA -> node("Mul", z, node("Sigmoid", z));
          case NOLORA ->
              node("Mul", "V", node("Mul", z, node("Sigmoid", node("Mul", "BETA", z))));
        };
    OnnxMl.NodeProto.Builder up = gemmNode(List.of(u, "B", "y"), problem.spec().scale());
    graph.addNode(up.addOutput("y_out"));
  }

  private String aurora(String z) {
    float[] centres = new float[GRID.bases()];
    for (int m = 0; m < centres.length; m++) {
      centres[m] = (float) (GRID.min() + (m - 1) * GRID.step());
    }
    constant("centres", centres, 1, 1, centres.length);
    constant("inverse_step", new float[] {(float) (1 / GRID.step())});
    constant("one", new float[] {1});
    constant("two", new float[] {2});
    constant("four", new float[] {4});
    constant("sixth", new float[] {1 / 6f});
    integers("last", 2);
    integers("ranks", 1);
    String f = node("Tanh", gemm(List.of(node("Tanh", z), "H"), 1));
    String spread = node("Sub", node("Unsqueeze", z, "last"), "centres");
    String size = node("Abs", node("Mul", spread, "inverse_step"));
    String outer = cube(node("Relu", node("Sub", "two", size)));
    String inner = cube(node("Relu", node("Sub", "one", size)));
    String bases = node("Sub", outer, node("Mul", "four", inner));
    OnnxMl.NodeProto.Builder sum = start("ReduceSum", List.of(bases, "ranks"));
    sum.addAttribute(integer("keepdims", 0));
    String q = node("Mul", "sixth", finish(sum));
    OnnxMl.NodeProto.Builder total = gemmNode(List.of(q, "SPLINE", f), 1);
    return finish(total);
  }

  private String cube(String x) {
    return node("Mul", x, node("Mul", x, x));
  }

  private String gemm(List<String> inputs, float alpha) {
    return finish(gemmNode(inputs, alpha));
  }

  /** {@code α·in weightᵀ (+ third)}. */
  private OnnxMl.NodeProto.Builder gemmNode(List<String> inputs, float alpha) {
    return start("Gemm", inputs)
        .addAttribute(integer("transB", 1))
        .addAttribute(
            OnnxMl.AttributeProto.newBuilder()
                .setName("alpha")
                .setType(OnnxMl.AttributeProto.AttributeType.FLOAT)
                .setF(alpha));
  }

  private String node(String type, String... inputs) {
    return finish(start(type, List.of(inputs)));
  }

  private static OnnxMl.NodeProto.Builder start(String type, List<String> inputs) {
    return OnnxMl.NodeProto.newBuilder().setOpType(type).addAllInput(inputs);
  }

  private String finish(OnnxMl.NodeProto.Builder node) {
    String output = "t" + nodes++;
    graph.addNode(node.addOutput(output));
    return output;
  }

  private static OnnxMl.AttributeProto integer(String name, long value) {
    return OnnxMl.AttributeProto.newBuilder()
        .setName(name)
        .setType(OnnxMl.AttributeProto.AttributeType.INT)
        .setI(value)
        .build();
  }

  private static OnnxMl.ValueInfoProto value(String name, long rows, long columns) {
    OnnxMl.TensorShapeProto.Builder shape = OnnxMl.TensorShapeProto.newBuilder();
    for (long size : new long[] {rows, columns}) {
      shape.addDim(OnnxMl.TensorShapeProto.Dimension.newBuilder().setDimValue(size));
    }
    return OnnxMl.ValueInfoProto.newBuilder()
        .setName(name)
        .setType(
            OnnxMl.TypeProto.newBuilder()
                .setTensorType(
                    OnnxMl.TypeProto.Tensor.newBuilder()
                        .setElemType(OnnxMl.TensorProto.DataType.FLOAT.getNumber())
                        .setShape(shape)))
        .build();
  }

  private void weight(String name, Tensor tensor) {
    initializer(
        name,
        OnnxMl.TensorProto.DataType.FLOAT,
        ByteString.copyFrom(tensor.segment().asByteBuffer()),
        tensor.shape());
  }

  private void constant(String name, float[] values, long... shape) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    initializer(name, OnnxMl.TensorProto.DataType.FLOAT, ByteString.copyFrom(bytes), shape);
  }

  private void integers(String name, long value) {
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, value);
    initializer(name, OnnxMl.TensorProto.DataType.INT64, ByteString.copyFrom(bytes), 1);
  }

  private void initializer(
      String name, OnnxMl.TensorProto.DataType type, ByteString data, long... shape) {
    graph.addInitializer(
        OnnxMl.TensorProto.newBuilder()
            .setName(name)
            .setDataType(type.getNumber())
            .addAllDims(Arrays.stream(shape).boxed().toList())
            .setRawData(data));
  }
}
