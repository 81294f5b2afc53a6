package dev.borealis.jmh.compare.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.borealis.jmh.compare.Call;
import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.Outputs;
import dev.borealis.jmh.compare.Problem;
import dev.borealis.tensor.DType;
import dev.borealis.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * ONNX Runtime: one graph of Gemm nodes with the weights inside, inputs and output in memory that is
 * bound beforehand. Forward only; Y goes to a tensor of its own, as the runtime has no call in place.
 */
final class OnnxContender implements Contender {
  static final String NAME = "ONNX Runtime";

  private final OrtEnvironment environment;
  private final int threads;

  OnnxContender(OrtEnvironment environment, int threads) {
    this.environment = environment;
    this.threads = threads;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public List<Prepared> prepare(Problem problem, Call call) {
    if (call != Call.FORWARD) {
      return List.of();
    }
    try {
      return List.of(new Forward(problem));
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }

  private final class Forward implements Prepared {
    private final Problem problem;
    private final Arena arena = Arena.ofShared();
    private final OrtSession session;
    private final List<Map<String, OnnxTensor>> inputs = new ArrayList<>();
    private final List<Map<String, OnnxTensor>> outputs = new ArrayList<>();
    private final Tensor result;

    Forward(Problem problem) throws OrtException {
      this.problem = problem;
      try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
        options.setIntraOpNumThreads(threads);
        options.setInterOpNumThreads(1);
        session = environment.createSession(OnnxGraph.model(problem), options);
      }
      List<Tensor> results = new ArrayList<>();
      for (int slot = 0; slot < problem.slots(); slot++) {
        Problem.Batch batch = problem.batch(slot);
        Tensor out =
            Tensor.allocate(arena, DType.F32, problem.tokens(), problem.spec().outFeatures());
        results.add(out);
        inputs.add(Map.of("x", view(batch.x()), "y", view(batch.y())));
        outputs.add(Map.of("y_out", view(out)));
      }
      result = results.getFirst();
    }

    private OnnxTensor view(Tensor tensor) throws OrtException {
      FloatBuffer buffer =
          tensor.segment().asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
      return OnnxTensor.createTensor(environment, buffer, tensor.shape());
    }

    @Override
    public void run(int slot) {
      try {
        session.run(inputs.get(slot), outputs.get(slot)).close();
      } catch (OrtException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public void reset() {
      problem.resetActivations();
    }

    @Override
    public Outputs outputs() {
      return new Outputs(Problem.floats(result), Map.of());
    }

    @Override
    public void close() {
      try {
        session.close();
      } catch (OrtException e) {
        throw new IllegalStateException(e);
      }
      inputs.forEach(tensors -> tensors.values().forEach(OnnxTensor::close));
      outputs.forEach(tensors -> tensors.values().forEach(OnnxTensor::close));
      arena.close();
    }
  }
}
