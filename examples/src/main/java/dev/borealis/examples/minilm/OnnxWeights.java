package dev.borealis.examples.minilm;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The F32 parameters of an ONNX graph under the names PyTorch gives them.
 *
 * <p>The export keeps the names of biases and embeddings, but stores the matrix of a linear layer
 * anonymously and transposed, as the right operand of a MatMul. That node still carries the layer's
 * path, so {@code /encoder/layer.0/attention/self/query/MatMul} gives {@code
 * encoder.layer.0.attention.self.query.weight}, turned back to PyTorch's {@code [out, in]}.
 */
public final class OnnxWeights {
  private static final String MATMUL = "/MatMul";

  /** One stored tensor; {@code rows × columns} is the stored shape when it must be transposed. */
  private record Stored(TensorProto tensor, boolean transposed) {}

  private final Map<String, Stored> byName;

  private OnnxWeights(Map<String, Stored> byName) {
    this.byName = byName;
  }

  /**
   * Parses an ONNX file.
   *
   * @param model the file's bytes
   * @return its F32 parameters, decoded only when asked for
   * @throws IllegalArgumentException if the bytes are no ONNX model
   */
  public static OnnxWeights parse(byte[] model) {
    GraphProto graph;
    try {
      graph = ModelProto.parseFrom(model).getGraph();
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("model: expected the bytes of an ONNX file", e);
    }
    Map<String, String> layerOfMatrix = new HashMap<>();
    for (NodeProto node : graph.getNodeList()) {
      if (node.getOpType().equals("MatMul") && node.getName().endsWith(MATMUL)) {
        layerOfMatrix.put(node.getInput(1), parameterName(node.getName()));
      }
    }
    Map<String, Stored> byName = new TreeMap<>();
    for (TensorProto tensor : graph.getInitializerList()) {
      if (tensor.getDataType() == TensorProto.DataType.FLOAT_VALUE) {
        String layer = layerOfMatrix.get(tensor.getName());
        byName.put(layer == null ? tensor.getName() : layer, new Stored(tensor, layer != null));
      }
    }
    return new OnnxWeights(byName);
  }

  /**
   * The names of all F32 parameters.
   *
   * @return a sorted, unmodifiable set
   */
  public Set<String> names() {
    return Collections.unmodifiableSet(byName.keySet());
  }

  /**
   * A parameter's shape; {@code [out, in]} for the matrix of a linear layer.
   *
   * @param name one of {@link #names()}
   * @return the extents, outermost first
   * @throws IllegalArgumentException if there is no such parameter
   */
  public int[] shape(String name) {
    Stored stored = find(name);
    int[] shape = stored.tensor.getDimsList().stream().mapToInt(Math::toIntExact).toArray();
    return stored.transposed ? new int[] {shape[1], shape[0]} : shape;
  }

  /**
   * A parameter's values, row-major in its {@link #shape}.
   *
   * @param name one of {@link #names()}
   * @return a new array
   * @throws IllegalArgumentException if there is no such parameter, or it isn't stored as raw F32
   *     bytes of its shape
   */
  public float[] values(String name) {
    Stored stored = find(name);
    long count = stored.tensor.getDimsList().stream().reduce(1L, Math::multiplyExact);
    ByteString raw = stored.tensor.getRawData();
    if (raw.size() != count * Float.BYTES) {
      throw new IllegalArgumentException(
          name + ": expected " + count * Float.BYTES + " raw bytes, came " + raw.size());
    }
    float[] values = new float[Math.toIntExact(count)];
    raw.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return stored.transposed ? transpose(values, shape(name)) : values;
  }

  private Stored find(String name) {
    Stored stored = byName.get(name);
    if (stored == null) {
      throw new IllegalArgumentException("no F32 parameter named " + name + " in the ONNX graph");
    }
    return stored;
  }

  private static String parameterName(String node) {
    String path = node.substring(1, node.length() - MATMUL.length());
    return path.replace('/', '.') + ".weight";
  }

  private static float[] transpose(float[] stored, int[] shape) {
    int rows = shape[0];
    int columns = shape[1];
    float[] result = new float[stored.length];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        result[r * columns + c] = stored[c * rows + r];
      }
    }
    return result;
  }
}
