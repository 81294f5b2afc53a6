package dev.borealis.backend;

/** What a least-squares fit of U [n, r] to Z [n, r_a] takes from samples. */
public final class MergeMoments {
  private final double[] zMean;
  private final double[] uMean;
  private final double[] gram;
  private final double[] cross;

  /**
   * Takes the arrays over, without copies.
   *
   * @param zMean means of Z's columns [r_a]; zeros if they were not subtracted
   * @param uMean means of U's columns [r]; zeros if they were not subtracted
   * @param gram ZᵀZ [r_a, r_a] by rows
   * @param cross ZᵀU [r_a, r] by rows
   */
  public MergeMoments(double[] zMean, double[] uMean, double[] gram, double[] cross) {
    this.zMean = zMean;
    this.uMean = uMean;
    this.gram = gram;
    this.cross = cross;
  }

  /** {@return the means of Z's columns; zeros if they were not subtracted} */
  public double[] zMean() {
    return zMean;
  }

  /** {@return the means of U's columns; zeros if they were not subtracted} */
  public double[] uMean() {
    return uMean;
  }

  /** {@return ZᵀZ [r_a, r_a] by rows, of Z without its means} */
  public double[] gram() {
    return gram;
  }

  /** {@return ZᵀU [r_a, r] by rows, of Z and U without their means} */
  public double[] cross() {
    return cross;
  }
}
