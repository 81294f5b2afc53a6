package dev.borealis.jmh.compare.peers;

import dev.borealis.jmh.compare.Contender;
import dev.borealis.jmh.compare.ContenderProvider;
import dev.borealis.jmh.peer.PeerUnavailableException;

/** Finds DJL. */
public final class DjlProvider implements ContenderProvider {
  /** Made by ServiceLoader. */
  public DjlProvider() {}

  @Override
  public String name() {
    return DjlContender.NAME;
  }

  @Override
  public Contender open(int threads) throws PeerUnavailableException {
    return new DjlContender(Torch.open(name(), threads));
  }
}
