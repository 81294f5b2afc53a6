package dev.borealis.tensor;

import java.util.Objects;

/**
 * Where a {@link Tensor}'s memory lies: on the host, or on a device. A backend takes tensors of one
 * or two places only and refuses others by name; copies between them are explicit ({@code
 * DeviceStream}).
 *
 * @param kind {@code host}, {@code cuda}, …
 * @param ordinal which of them, from 0
 */
public record Location(String kind, int ordinal) {
  /** The memory that Java and the CPU work on. */
  public static final Location HOST = new Location("host", 0);

  /**
   * Checks the ordinal.
   *
   * @throws IllegalArgumentException if it is negative
   */
  public Location {
    Objects.requireNonNull(kind, "kind");
    if (ordinal < 0) {
      throw new IllegalArgumentException("ordinal: expected at least 0, came " + ordinal);
    }
  }

  /**
   * {@return the memory of a CUDA device}
   *
   * @param ordinal the device's number among those this process sees, from 0
   */
  public static Location cuda(int ordinal) {
    return new Location("cuda", ordinal);
  }

  /**
   * Tells whether Java can read the memory.
   *
   * @return whether this is {@link #HOST}
   */
  public boolean isHost() {
    return kind.equals(HOST.kind);
  }

  /** {@return {@code host}, or the kind and the ordinal: {@code cuda:0}} */
  @Override
  public String toString() {
    return isHost() ? kind : kind + ":" + ordinal;
  }
}
