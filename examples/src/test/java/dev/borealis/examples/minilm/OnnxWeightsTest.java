package dev.borealis.examples.minilm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class OnnxWeightsTest {

  @Test
  void namesEveryParameterOfTheModel() {
    OnnxWeights weights = OnnxWeights.parse(MiniLmArtifact.onnxModel());
    String layer = "encoder.layer.5.";
    assertArrayEquals(new int[] {30_522, 384}, weights.shape("embeddings.word_embeddings.weight"));
    assertArrayEquals(new int[] {384, 384}, weights.shape(layer + "attention.self.query.weight"));
    assertArrayEquals(new int[] {1_536, 384}, weights.shape(layer + "intermediate.dense.weight"));
    assertArrayEquals(new int[] {384, 1_536}, weights.shape(layer + "output.dense.weight"));
    assertArrayEquals(new int[] {1_536}, weights.shape(layer + "intermediate.dense.bias"));
    // 5 of the embeddings and 16 a layer; the pooler of BERT isn't exported.
    assertEquals(5 + 6 * 16, weights.names().size());
    long parameters =
        weights.names().stream()
            .mapToLong(name ->
                Arrays.stream(weights.shape(name)).asLongStream().reduce(1, Math::multiplyExact))
            .sum();
    assertEquals(22_565_376, parameters);
    assertTrue(weights.names().stream().noneMatch(name -> name.startsWith("onnx::")));
  }

  @Test
  void turnsMatricesBackToOutByIn() {
    OnnxWeights weights = OnnxWeights.parse(linearLayer(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
    assertArrayEquals(new int[] {3, 2}, weights.shape("up.weight"));
    assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, weights.values("up.weight"));
  }

  @Test
  void refusesUnknownNamesShortTensorsAndOtherFiles() {
    OnnxWeights weights = OnnxWeights.parse(linearLayer(new float[] {1, 2, 3}, 2, 3));
    assertThrows(IllegalArgumentException.class, () -> weights.shape("down.weight"));
    var error = assertThrows(IllegalArgumentException.class, () -> weights.values("up.weight"));
    assertEquals("up.weight: expected 24 raw bytes, came 12", error.getMessage());
    assertThrows(
        IllegalArgumentException.class, () -> OnnxWeights.parse(new byte[] {(byte) 0xff, 1, 2}));
  }

  @Test
  void modelNamesAParameterOfAnotherShape() {
    OnnxWeights weights = OnnxWeights.parse(MiniLmArtifact.onnxModel());
    MiniLmConfig wider = new MiniLmConfig(30_522, 512, 384, 6, 12, 3_072, 1e-12f);
    try (Arena arena = Arena.ofConfined()) {
      var error =
          assertThrows(
              IllegalArgumentException.class, () -> MiniLmWeights.of(wider, weights, arena));
      assertEquals(
          "encoder.layer.0.intermediate.dense.weight: expected shape [3072, 384], came [1536, 384]",
          error.getMessage());
    }
  }

  private static byte[] linearLayer(float[] stored, long in, long out) {
    ByteBuffer raw =
        ByteBuffer.allocate(stored.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    raw.asFloatBuffer().put(stored);
    TensorProto matrix =
        TensorProto.newBuilder()
            .setName("onnx::MatMul_7")
            .setDataType(TensorProto.DataType.FLOAT_VALUE)
            .addDims(in)
            .addDims(out)
            .setRawData(ByteString.copyFrom(raw))
            .build();
    NodeProto node =
        NodeProto.newBuilder()
            .setOpType("MatMul")
            .setName("/up/MatMul")
            .addInput("x")
            .addInput("onnx::MatMul_7")
            .build();
    GraphProto graph = GraphProto.newBuilder().addNode(node).addInitializer(matrix).build();
    return ModelProto.newBuilder().setGraph(graph).build().toByteArray();
  }
}
