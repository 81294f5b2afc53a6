package dev.borealis.jmh.peer;

/** A peer can't be had here; the message names it and says why. */
public final class PeerUnavailableException extends Exception {
  private static final long serialVersionUID = 1;

  /**
   * Creates an exception.
   *
   * @param message names the peer and the reason
   */
  public PeerUnavailableException(String message) {
    super(message);
  }

  /**
   * Creates an exception.
   *
   * @param message names the peer and the reason
   * @param cause what went wrong
   */
  public PeerUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
