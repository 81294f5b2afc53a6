package dev.borealis.jmh.compare.peers;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import dev.borealis.jmh.peer.PeerUnavailableException;
import dev.borealis.tensor.Tensor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteOrder;

/** The PyTorch engine of DJL. */
final class Torch {
  private Torch() {}

  /** {@return a manager of arrays, after setting the number of threads} */
  static NDManager open(String peer, int threads) throws PeerUnavailableException {
    try {
      NDManager manager = Engine.getEngine("PyTorch").newBaseManager();
      JniUtils.setNumThreads(threads);
      return manager;
    } catch (RuntimeException | LinkageError e) {
      throw new PeerUnavailableException(peer + ": " + e, e);
    }
  }

  /** {@return a copy of a tensor} */
  static NDArray copy(NDManager manager, Tensor tensor) {
    return manager.create(
        tensor.segment().asByteBuffer().order(ByteOrder.nativeOrder()),
        new Shape(tensor.shape()),
        DataType.FLOAT32);
  }
}
