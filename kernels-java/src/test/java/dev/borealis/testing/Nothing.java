package dev.borealis.testing;

/** A null for arguments that must not be null. */
public final class Nothing {
  private Nothing() {}

  /** Returns null, whatever the compiler thinks. */
  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  public static <T> T nothing() {
    return null;
  }
}
