package dev.borealis.ffm;

/** Keeps the exported package from being empty; delete it with the first real class. */
final class Placeholder {
  private Placeholder() {}
}
