package dev.borealis.jmh.compare.peers;

import ai.onnxruntime.OrtEnvironment;
import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.ContenderProvider;
import dev.borealis.jmh.peer.PeerUnavailableException;

/** Finds ONNX Runtime. */
public final class OnnxProvider implements ContenderProvider {
  /** Made by ServiceLoader. */
  public OnnxProvider() {}

  @Override
  public String name() {
    return OnnxContender.NAME;
  }

  @Override
  public Contender open(int threads) throws PeerUnavailableException {
    try {
      return new OnnxContender(OrtEnvironment.getEnvironment(), threads);
    } catch (RuntimeException | LinkageError e) {
      throw new PeerUnavailableException(name() + ": " + e, e);
    }
  }
}
