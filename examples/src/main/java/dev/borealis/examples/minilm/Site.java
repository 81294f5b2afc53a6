package dev.borealis.examples.minilm;

/** Where a linear layer sits in an encoder layer. */
public enum Site {
  /** Attention's query. */
  QUERY("attention.self.query"),
  /** Attention's key. */
  KEY("attention.self.key"),
  /** Attention's value. */
  VALUE("attention.self.value"),
  /** Attention's output projection. */
  OUTPUT("attention.output.dense"),
  /** The feed-forward part's up-projection, hidden to intermediate. */
  UP("intermediate.dense"),
  /** The feed-forward part's down-projection, intermediate to hidden. */
  DOWN("output.dense");

  private final String path;

  Site(String path) {
    this.path = path;
  }

  /**
   * The module's path below {@code encoder.layer.N}.
   *
   * @return dotted, as PyTorch names it
   */
  public String path() {
    return path;
  }

  int in(MiniLmConfig config) {
    return this == DOWN ? config.intermediate() : config.hidden();
  }

  int out(MiniLmConfig config) {
    return this == UP ? config.intermediate() : config.hidden();
  }
}
