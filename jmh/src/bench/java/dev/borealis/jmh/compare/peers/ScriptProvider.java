package dev.borealis.jmh.compare.peers;

import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.ContenderProvider;
import dev.borealis.jmh.peer.PeerUnavailableException;

/** Finds DJL, for TorchScript. */
public final class ScriptProvider implements ContenderProvider {
  /** Made by ServiceLoader. */
  public ScriptProvider() {}

  @Override
  public String name() {
    return ScriptContender.NAME;
  }

  @Override
  public Contender open(int threads) throws PeerUnavailableException {
    return new ScriptContender(Torch.open(name(), threads));
  }
}
