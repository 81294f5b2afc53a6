package dev.borealis.jmh.compare;

import dev.borealis.jmh.peer.PeerUnavailableException;

/**
 * Opens a contender. Those that need their library to compile are found by {@link
 * java.util.ServiceLoader}.
 */
public interface ContenderProvider {
  /** {@return the name in reports} */
  String name();

  /**
   * Loads the library.
   *
   * @param threads of every call
   * @return the contender
   * @throws PeerUnavailableException if it can't be had here
   */
  Contender open(int threads) throws PeerUnavailableException;
}
